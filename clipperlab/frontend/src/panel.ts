// The side panel: clusters, and what of the chosen one is looked at and steered most. Needs no kernel.

import { Clipboard, Dialog, showDialog } from '@jupyterlab/apputils';
import { Poll } from '@lumino/polling';
import { Widget } from '@lumino/widgets';
import { IClusterInfo, ask } from './api';
import { Cluster } from './cluster';
import { DEFAULT, connecting } from './code';
import { STYLE, button, h, setText } from './dom';
import { ModelRow } from './model';

const CLUSTERS_MS = 3000;
const EVENTS = 6;
const INSERT = 'Insert the connecting code into the active notebook';

export interface IPanelOptions {
  openDashboard: (cluster: string) => void;
  /** Put code into the active notebook; false where there is none. */
  insert: (code: string) => boolean;
}

export class ClipperPanel extends Widget {
  constructor(private _options: IPanelOptions) {
    super();
    this.addClass('clipper-panel');
    this._choice.setAttribute('aria-label', 'Cluster');
    this._choice.addEventListener('change', () => this._choose(this._choice.value));
    this._start = button('Start', 'Start this cluster', () => this._startCluster());
    this._stop = button('Stop', 'Stop this cluster', () => void this._stopCluster());
    const dashboard = button('Dashboard', 'Open the live dashboard', () => {
      if (this._cluster) {
        this._options.openDashboard(this._cluster.name);
      }
    });
    this._insertion = button('Insert code', INSERT, () => this._insert());
    this.node.append(
      h('style', {}, STYLE),
      h('div', { class: 'clipper-row' }, this._choice, this._start, this._stop),
      this._where,
      h('div', { class: 'clipper-row' }, dashboard, this._insertion),
      this._trouble,
      this._said,
      this._running
    );
    this._running.append(
      h('h2', {}, 'Models'),
      this._models,
      h('h2', {}, 'Applications'),
      this._applications,
      h('h2', {}, 'What happened'),
      this._events
    );
    this._poll = new Poll({
      auto: true,
      factory: () => this._look(),
      frequency: { interval: CLUSTERS_MS, backoff: true, max: 30000 },
      name: 'clipperlab:clusters',
      standby: () => this.isVisible === false || document.hidden
    });
  }

  /** The name of the cluster that is shown; of one that runs, where there is one and none was shown yet. */
  async choose(): Promise<string> {
    if (!this._chosen) {
      await this._look().catch(() => undefined); // the dashboard says what is wrong
    }
    return this._chosen || DEFAULT;
  }

  /** Say whether there is a notebook to put code into. Where there is none the button still shows the code. */
  setNotebook(there: boolean): void {
    this._insertion.setAttribute('aria-disabled', String(!there));
    this._insertion.title = there ? INSERT : 'Open a notebook first: the connecting code goes into the active one';
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._poll.dispose();
    this._cluster?.letGo(this);
    super.dispose();
  }

  protected onAfterShow(): void {
    void this._poll.refresh();
    this._cluster?.refresh();
  }

  private async _look(): Promise<void> {
    try {
      this._clusters = (await ask<{ clusters: IClusterInfo[] }>('')).clusters;
      this._noServer = '';
    } catch (error) {
      this._noServer = (error as Error).message;
      this._render();
      throw error;
    }
    const names = this._clusters.map(cluster => cluster.name);
    if (names.length === 0) {
      names.push(DEFAULT);
      this._clusters = [{ name: DEFAULT, state: 'stopped' }];
    }
    if ([...this._choice.options].map(option => option.value).join() !== names.join()) {
      this._choice.replaceChildren(...names.map(name => h('option', { value: name }, name)));
      this._choice.value = this._chosen;
    }
    if (!names.includes(this._chosen)) {
      const running = this._clusters.find(cluster => cluster.state === 'running');
      this._choose((running ?? this._clusters[0]).name);
    }
    this._watch();
    this._render();
  }

  private _choose(name: string): void {
    this._chosen = name;
    this._choice.value = name;
    this._watch();
    this._render();
  }

  /** Watch the chosen cluster where it runs. */
  private _watch(): void {
    const wanted = this._info()?.state !== 'stopped' ? this._chosen : null;
    if (this._cluster?.name !== (wanted ?? undefined)) {
      this._cluster?.letGo(this);
      this._cluster = wanted ? Cluster.of(wanted, this) : null;
      this._cluster?.changed.connect(this._render, this);
    }
  }

  private _info(): IClusterInfo | undefined {
    return this._clusters.find(cluster => cluster.name === this._chosen);
  }

  private _render(): void {
    const info = this._info();
    const cluster = this._cluster;
    const runs = info !== undefined && info.state !== 'stopped';
    this._start.disabled = runs && !cluster?.trouble;
    this._stop.disabled = !runs;
    const stopped = `Cluster ${this._chosen} is not running. Start it here, with start_clipper(), or with clipperlab start.`;
    setText(this._where, info?.query ? `queries at ${info.query}, management at ${info.management}` : '');
    const wrong = cluster?.trouble || (cluster?.overview?.cluster.warnings ?? []).join(' ');
    setText(this._trouble, this._noServer || (runs ? wrong : info ? stopped : ''));
    this._running.hidden = !runs;
    this._renderModels();
    this._renderApplications();
    const events = (cluster?.events ?? []).slice(-EVENTS).reverse();
    const texts = events.map(event => `${new Date(1000 * event.at).toLocaleTimeString()}  ${event.text.split('\n')[0]}`);
    if (this._shownEvents !== texts.join()) {
      this._shownEvents = texts.join();
      this._events.replaceChildren(...texts.map(text => h('li', { class: 'clipper-faint' }, text)));
    }
  }

  private _renderModels(): void {
    const models = this._cluster?.models ?? [];
    for (const [name, row] of this._rows) {
      if (!models.includes(name) || row.cluster !== this._cluster) {
        row.node.remove();
        this._rows.delete(name);
      }
    }
    for (const name of models) {
      let row = this._rows.get(name);
      if (!row) {
        row = new ModelRow(this._cluster!, name, (what, code, call) => void this._do(what, code, call));
        this._rows.set(name, row);
        this._models.append(row.node);
      }
      row.update();
    }
    this._none.remove();
    if (models.length === 0) {
      this._models.append(this._none);
    }
  }

  private _renderApplications(): void {
    const cluster = this._cluster;
    const point = cluster?.points[cluster.points.length - 1];
    const items = (cluster?.applications ?? []).map(application => {
      const seen = point?.applications[application.name];
      const rate = Object.values(seen?.answers ?? {}).reduce((sum, value) => sum + value, 0);
      const objective = `${application.latency_slo_micros / 1000} ms`;
      const kept = seen?.p99_ms ? `p99 ${seen.p99_ms.toFixed(1)} ms of ${objective}` : `objective ${objective}`;
      const linked = application.linked_models.join(', ') || 'no model';
      const told = `${linked}; ${Math.round(rate)} answers a second; ${kept}`;
      return h('li', {}, h('b', {}, `/${application.name}/predict`), h('div', { class: 'clipper-faint' }, told));
    });
    this._applications.replaceChildren(...(items.length ? items : [h('li', {}, 'None yet.')]));
  }

  /** Do it, and say what became of it, with the Python that does the same. */
  private async _do(what: string, code: string, call: () => Promise<void>): Promise<void> {
    this._say(`${what} …`, code);
    try {
      await call();
      this._say(`${what}: done.`, code);
    } catch (error) {
      const [first, ...rest] = (error as Error).message.split('\n');
      this._say(`${what} failed. ${first}`, code, rest.join('\n'));
    }
  }

  private _say(text: string, code: string, more = ''): void {
    const copy = button('Copy', 'Copy the line of Python', () => {
      Clipboard.copyToSystem(code); // the browser's own way is closed to pages over plain HTTP
      copy.textContent = 'Copied';
    });
    this._said.replaceChildren(
      h('div', { role: 'status' }, text),
      ...(more ? [h('pre', {}, more)] : []),
      ...(code ? [h('code', {}, code), copy] : [])
    );
  }

  private _startCluster(): void {
    const name = this._chosen;
    void this._do(`Starting ${name}`, 'conn.start_clipper()', async () => {
      await ask(`${name}/start`, 'POST');
      await this._poll.refresh();
    });
  }

  private async _stopCluster(): Promise<void> {
    const name = this._chosen;
    const { button: pressed } = await showDialog({
      title: `Stop ${name}?`,
      body: 'Its applications answer nobody until it is started again. It keeps its applications and models.',
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Stop' })]
    });
    if (pressed.accept) {
      await this._do(`Stopping ${name}`, 'conn.stop_all()', async () => {
        await ask(`${name}/stop`, 'POST');
        await this._poll.refresh();
      });
    }
  }

  private _insert(): void {
    const code = connecting(this._chosen);
    const inserted = this._options.insert(code);
    this._say(
      inserted
        ? 'The active notebook has the connecting code: run that cell.'
        : 'Open a notebook first: the code goes into the active one. Or copy it:',
      inserted ? '' : code
    );
  }

  private _clusters: IClusterInfo[] = [];
  private _cluster: Cluster | null = null;
  private _chosen = '';
  private _noServer = '';
  private _poll: Poll;
  private _rows = new Map<string, ModelRow>();
  private _shownEvents = '';
  private _choice = h('select') as HTMLSelectElement;
  private _insertion: HTMLButtonElement;
  private _start: HTMLButtonElement;
  private _stop: HTMLButtonElement;
  private _where = h('div', { class: 'clipper-faint' });
  private _trouble = h('div', { class: 'clipper-trouble', role: 'status' });
  private _running = h('div');
  private _models = h('ul', { 'aria-label': 'Models' });
  private _none = h('li', {}, 'None yet: a deployer deploys one from a notebook.');
  private _applications = h('ul', { 'aria-label': 'Applications' });
  private _said = h('div', { class: 'clipper-said' });
  private _events = h('ul', { 'aria-label': 'What happened' });
}
