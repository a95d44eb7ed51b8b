// Live views of a saved notebook: drawn from the cluster itself where the kernel that showed them is gone.

import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContext } from '@jupyterlab/apputils';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Panel, Widget } from '@lumino/widgets';
import { Live, MIME, isView } from './live';

type Renderer = ReturnType<IRenderMimeRegistry['createRenderer']>;
type Model = Parameters<Renderer['renderModel']>[0];

const WIDGET = 'application/vnd.jupyter.widget-view+json';
const RANK = -20; // before ipywidgets' own, which is -10: it shows the widget, where that lives
const COMES_MS = 1500; // how long a widget may take to come, before it is done without

export const alive: JupyterFrontEndPlugin<void> = {
  id: 'clipperlab:alive',
  description: 'Live views of clusters in notebooks, also without a kernel.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (app: JupyterFrontEnd, rendermime: IRenderMimeRegistry) => {
    const steer = (): void => void app.commands.execute('clipperlab:show-panel');
    const createRenderer = (): Output => new Output(steer);
    rendermime.addFactory({ safe: true, mimeTypes: [MIME], createRenderer }, RANK);
  }
};

/**
 * A view in a notebook: the kernel's widget as long as that lives, and else what the cluster tells by itself.
 * It looks around when it is in the page: only then can it know whose notebook it is in.
 */
class Output extends Panel implements Renderer {
  constructor(private _steer: () => void) {
    super();
  }

  async renderModel(model: Model): Promise<void> {
    this._model = model;
    this._clear();
    if (this.isAttached) {
      this._begin(model);
    }
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._clear();
      super.dispose();
    }
  }

  protected onAfterAttach(): void {
    if (this._model && this.widgets.length === 0) {
      this._begin(this._model);
    }
  }

  private _begin(model: Model): void {
    const renderers = above(this, 'rendermime') as IRenderMimeRegistry | undefined;
    const session = above(this, 'sessionContext') as ISessionContext | undefined;
    this._renderers = renderers;
    if (!renderers || !model.trusted || !(WIDGET in model.data) || !renderers.getFactory(WIDGET)) {
      this._live();
      return;
    }
    this._waiting = window.setTimeout(() => this._live(), COMES_MS);
    void this._host(model, renderers, session);
  }

  private async _host(model: Model, renderers: IRenderMimeRegistry, session?: ISessionContext): Promise<void> {
    // Widgets are rendered where the session is ready, and those who render them know it: a task later.
    await session?.ready;
    await new Promise(resolve => window.setTimeout(resolve));
    if (this.isDisposed || this._model !== model) {
      return;
    }
    if (session && !session.session?.kernel) {
      this._live();
      return;
    }
    const widget = renderers.createRenderer(WIDGET) as Renderer & Panel;
    widget.hide();
    this.addWidget(widget);
    // The renderer of widgets tells nobody what became of it: when it has a child, that is the widget.
    const observer = new MutationObserver(() => {
      if (widget.widgets.length > 0) {
        window.clearTimeout(this._waiting);
        widget.show();
        this._view?.dispose();
        this._view = null;
      }
    });
    observer.observe(widget.node, { childList: true });
    // A widget outlives its kernel as a picture of what was.
    const end = (): void => {
      this._forget();
      widget.dispose();
      this._live();
    };
    const ended = (_: unknown, status: string): void => {
      if (['restarting', 'autorestarting', 'dead'].includes(status)) {
        end();
      }
    };
    const changed = (_: unknown, change: { oldValue: unknown }): void => {
      if (change.oldValue) {
        end();
      }
    };
    session?.statusChanged.connect(ended);
    session?.kernelChanged.connect(changed);
    this._forget = () => {
      observer.disconnect();
      session?.statusChanged.disconnect(ended);
      session?.kernelChanged.disconnect(changed);
    };
    await widget.renderModel(model);
  }

  /** Show what the cluster tells by itself. */
  private _live(): void {
    window.clearTimeout(this._waiting);
    const { _model: model, _renderers: renderers } = this;
    if (this.isDisposed || this._view || !model) {
      return;
    }
    let still: Widget | null = null;
    if (renderers && 'text/html' in model.data) {
      const renderer = renderers.createRenderer('text/html');
      void renderer.renderModel(model);
      still = renderer;
    }
    const view = model.data[MIME];
    this._view = isView(view) ? new Live(view, still, this._steer) : still;
    if (this._view) {
      this.addWidget(this._view);
    }
  }

  private _clear(): void {
    window.clearTimeout(this._waiting);
    this._forget();
    this._view = null;
    for (const widget of [...this.widgets]) {
      widget.dispose();
    }
  }

  private _model: Model | null = null;
  private _renderers: IRenderMimeRegistry | undefined;
  private _view: Widget | null = null;
  private _waiting = 0;
  private _forget: () => void = () => undefined;
}

/** What the nearest widget around it has under that name. */
function above(widget: Widget, name: string): unknown {
  for (let around = widget.parent; around; around = around.parent) {
    const found = (around as unknown as Record<string, unknown>)[name];
    if (found) {
      return found;
    }
  }
  return undefined;
}
