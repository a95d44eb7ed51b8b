// The notebooks of this JupyterLab: one that begins, code for the active one, and the cluster that it is connected to.

import { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import { Kernel } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

/** An expression of Python: the last cluster of processes that the notebook made a connection to, or "". */
const LAST =
  "next((v.cm.cluster_name for k, v in reversed([*globals().items()]) if not k.startswith('_') and " +
  "type(v).__name__ == 'ClipperConnection' and type(v.cm).__name__ == 'ProcessContainerManager'), '')";

export class Notebooks {
  constructor(
    private _app: JupyterFrontEnd,
    private _tracker: INotebookTracker | null
  ) {
    _tracker?.currentChanged.connect(() => {
      this._changed.emit();
      void this._ask(_tracker.currentWidget);
    });
    NotebookActions.executed.connect((_, { notebook }) => {
      if (_tracker?.currentWidget?.content === notebook) {
        void this._ask(_tracker.currentWidget);
      }
    });
  }

  /** Another one is active, or none. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The active one is connected to the cluster of that name, and was not before. */
  get connected(): ISignal<this, string> {
    return this._connected;
  }

  get isOpen(): boolean {
    return !!this._tracker?.currentWidget && !this._tracker.currentWidget.isDisposed;
  }

  /** Put code into a new cell of the active notebook; false where there is none. */
  insert(code: string): boolean {
    const notebook = this.isOpen ? this._tracker!.currentWidget!.content : null;
    if (!notebook) {
      return false;
    }
    NotebookActions.insertBelow(notebook);
    notebook.activeCell!.model.sharedModel.setSource(code);
    return true;
  }

  /** Make a notebook with these cells, of which the first is a text, beside the active one; what shows it. */
  async create(cells: string[], folder = this._folder()): Promise<unknown> {
    const { contents, kernelspecs } = this._app.serviceManager;
    await kernelspecs.ready;
    const name = kernelspecs.specs?.default ?? 'python3';
    const spec = kernelspecs.specs?.kernelspecs[name];
    const file = await contents.newUntitled({ path: folder, type: 'notebook' });
    await contents.save(file.path, {
      type: 'notebook',
      format: 'json',
      content: {
        cells: cells.map((source, i) => ({
          id: `begin-${i}`,
          metadata: {},
          source,
          ...(i === 0 ? { cell_type: 'markdown' } : { cell_type: 'code', execution_count: null, outputs: [] })
        })),
        metadata: { kernelspec: { name, display_name: spec?.display_name ?? name, language: spec?.language ?? 'python' } },
        nbformat: 4,
        nbformat_minor: 5
      }
    });
    return this._app.commands.execute('docmanager:open', { path: file.path });
  }

  private _folder(): string {
    return this.isOpen ? PathExt.dirname(this._tracker!.currentWidget!.context.path) : '';
  }

  /** Ask the kernel, without a trace in the notebook: what it is busy with comes first. */
  private async _ask(panel: NotebookPanel | null): Promise<void> {
    await panel?.sessionContext.ready;
    const kernel = panel?.sessionContext.session?.kernel;
    if (!panel || !kernel || this._asking.has(kernel.id)) {
      return;
    }
    this._asking.add(kernel.id);
    try {
      const name = await last(kernel);
      if (this._tracker?.currentWidget === panel && name && this._last !== `${kernel.id} ${name}`) {
        this._last = `${kernel.id} ${name}`;
        this._connected.emit(name);
      }
    } catch {
      // The kernel went away: the next one is asked.
    } finally {
      this._asking.delete(kernel.id);
    }
  }

  private _asking = new Set<string>();
  private _last = '';
  private _changed = new Signal<this, void>(this);
  private _connected = new Signal<this, string>(this);
}

async function last(kernel: Kernel.IKernelConnection): Promise<string> {
  if ((await kernel.info).language_info.name !== 'python') {
    return '';
  }
  const asked = { code: '', silent: true, store_history: false, user_expressions: { last: LAST } };
  const { content } = await kernel.requestExecute(asked).done;
  const found = content.status === 'ok' ? (content.user_expressions.last as any) : undefined;
  return found?.status === 'ok' ? String(found.data['text/plain']).replace(/^'|'$/g, '') : '';
}
