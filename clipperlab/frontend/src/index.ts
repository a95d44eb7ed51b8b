// What JupyterLab and Notebook load: the side panel, the dashboard, and commands for both.

import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker, showErrorMessage } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { notebookIcon } from '@jupyterlab/ui-components';
import { alive } from './alive';
import { Dashboard } from './dashboard';
import { beginning } from './code';
import { chartIcon, clipperIcon } from './icon';
import { openLessons } from './lessons';
import { Notebooks } from './notebooks';
import { ClipperPanel } from './panel';

const SHOW = 'clipperlab:show-panel';
const DASHBOARD = 'clipperlab:open-dashboard';
const LESSONS = 'clipperlab:open-lessons';
const NOTEBOOK = 'clipperlab:new-notebook';
const CATEGORY = 'Clipper Lab';
const AFTER_NOTEBOOKS = 10; // the rank of a launcher's section; consoles have 20

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
    tracker: INotebookTracker | null
  ) => {
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
    const notebooks = new Notebooks(app, tracker);
    const lessons = (number?: string): Promise<unknown> => openLessons(app, number);
    const panel = new ClipperPanel({ notebooks, openDashboard: open, openLessons: lessons });
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
      label: 'Dashboard',
      caption: 'The live pictures of a cluster',
      icon: chartIcon,
      execute: async args => open(String(args.cluster ?? (await panel.choose())))
    });
    app.commands.addCommand(LESSONS, {
      label: 'Lessons',
      caption: 'A workshop in model serving: what each lesson teaches, and the lessons themselves',
      icon: clipperIcon,
      execute: () => lessons().catch(error => showErrorMessage('No lessons here', error))
    });
    app.commands.addCommand(NOTEBOOK, {
      label: 'New notebook',
      caption: 'A notebook that is connected to a cluster: deploy a function, ask it, see it at work',
      icon: notebookIcon,
      execute: async args => {
        const folder = args.cwd === undefined ? undefined : String(args.cwd);
        return notebooks.create(beginning(await panel.choose()), folder).catch(error => showErrorMessage('No notebook could be made', error));
      }
    });
    void restorer?.restore(dashboards, {
      command: DASHBOARD,
      args: widget => ({ cluster: widget.content.cluster }),
      name: widget => widget.content.cluster
    });
    for (const command of [SHOW, DASHBOARD, LESSONS, NOTEBOOK]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    [LESSONS, NOTEBOOK, DASHBOARD].forEach((command, rank) => {
      launcher?.add({ command, category: CATEGORY, categoryRank: AFTER_NOTEBOOKS, rank });
    });
  }
};

export default [plugin, alive];
