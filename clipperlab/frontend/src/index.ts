// What JupyterLab and Notebook load: the side panel, the dashboard, and commands for both.

import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { alive } from './alive';
import { Dashboard } from './dashboard';
import { clipperIcon } from './icon';
import { ClipperPanel } from './panel';

const SHOW = 'clipperlab:show-panel';
const DASHBOARD = 'clipperlab:open-dashboard';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'clipperlab:plugin',
  description: 'Clusters that serve models: a side panel and a live dashboard.',
  autoStart: true,
  optional: [ICommandPalette, ILabShell, ILauncher, ILayoutRestorer, INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    labShell: ILabShell | null,
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
    const dashboards = new WidgetTracker<MainAreaWidget<Dashboard>>({ namespace: 'clipperlab-dashboard' });
    const open = (cluster: string): void => {
      let widget = dashboards.find(each => each.content.cluster === cluster);
      if (!widget) {
        widget = new MainAreaWidget({ content: new Dashboard(cluster) });
        widget.id = `clipperlab-dashboard-${cluster}`;
        widget.title.label = `Clipper: ${cluster}`;
        widget.title.icon = clipperIcon;
        widget.title.closable = true;
        // The main area of Notebook holds the notebook, and nothing else.
        app.shell.add(widget, labShell ? 'main' : 'down');
        void dashboards.add(widget);
      }
      app.shell.activateById(widget.id);
    };
    const panel = new ClipperPanel({ openDashboard: open, insert });
    const look = (): void => panel.setNotebook(!!notebooks?.currentWidget);
    notebooks?.currentChanged.connect(look);
    look();
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
      execute: async args => open(String(args.cluster ?? (await panel.choose())))
    });
    void restorer?.restore(dashboards, {
      command: DASHBOARD,
      args: widget => ({ cluster: widget.content.cluster }),
      name: widget => widget.content.cluster
    });
    for (const command of [SHOW, DASHBOARD]) {
      palette?.addItem({ command, category: 'Clipper Lab' });
    }
    launcher?.add({ command: DASHBOARD, category: 'Other', rank: 1 });
  }
};

export default [plugin, alive];
