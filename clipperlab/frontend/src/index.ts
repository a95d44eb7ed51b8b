// What JupyterLab and Notebook load: the side panel, the dashboard, and commands for both.

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { Dashboard } from './dashboard';
import { clipperIcon } from './icon';
import { ClipperPanel } from './panel';

const SHOW = 'clipperlab:show-panel';
const DASHBOARD = 'clipperlab:open-dashboard';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'clipperlab:plugin',
  description: 'Clusters that serve models: a side panel and a live dashboard.',
  autoStart: true,
  optional: [ICommandPalette, ILauncher, ILayoutRestorer, INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    notebooks: INotebookTracker | null
  ) => {
    const insert = (code: string): boolean => {
      const notebook = notebooks?.currentWidget?.content;
      if (!notebook || notebook.isDisposed) {
        return false;
      }
      NotebookActions.insertBelow(notebook);
      notebook.activeCell!.model.sharedModel.setSource(code);
      return true;
    };
    const open = (cluster: string): void => {
      const id = `clipperlab-dashboard-${cluster}`;
      let widget = [...app.shell.widgets('main')].find(each => each.id === id);
      if (!widget) {
        widget = new MainAreaWidget({ content: new Dashboard(cluster) });
        widget.id = id;
        widget.title.label = `Clipper: ${cluster}`;
        widget.title.icon = clipperIcon;
        widget.title.closable = true;
        app.shell.add(widget, 'main');
      }
      app.shell.activateById(id);
    };
    const panel = new ClipperPanel({ openDashboard: open, insert: notebooks ? insert : null });
    panel.id = 'clipperlab-panel';
    panel.title.icon = clipperIcon;
    panel.title.caption = 'Clipper Lab: clusters and models';
    app.shell.add(panel, 'left', { rank: 600 });
    restorer?.add(panel, panel.id);

    app.commands.addCommand(SHOW, {
      label: 'Show clusters and models',
      caption: 'Clipper Lab',
      icon: clipperIcon,
      execute: () => {
        // JupyterLab and Notebook each have a shell of their own, which open their left side alike.
        (app.shell as { expandLeft?: (id: string) => void }).expandLeft?.(panel.id);
        app.shell.activateById(panel.id);
      }
    });
    app.commands.addCommand(DASHBOARD, {
      label: 'Clipper dashboard',
      caption: 'The live pictures of a cluster',
      icon: clipperIcon,
      execute: args => open(String(args.cluster ?? panel.chosen))
    });
    for (const command of [SHOW, DASHBOARD]) {
      palette?.addItem({ command, category: 'Clipper Lab' });
    }
    launcher?.add({ command: DASHBOARD, category: 'Other', rank: 1 });
  }
};

export default plugin;
