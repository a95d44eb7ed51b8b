// The side panel: clusters, and what of the chosen one is looked at and steered most. Needs no kernel.

import { Widget } from '@lumino/widgets';
import { Actions } from './actions';
import { Cluster } from './cluster';
import { Clusters } from './clusters';
import { beginning, connecting } from './code';
import { STYLE, button, h, setText } from './dom';
import { answeredBy, beside } from './glance';
import { ModelRow } from './model';
import { Notebooks } from './notebooks';

const EVENTS = 6;
const INSERT = 'Insert the connecting code into the active notebook';

export interface IPanelOptions {
  notebooks: Notebooks;
  openDashboard: (cluster: string) => void;
  openLessons: (number?: string) => Promise<unknown>;
}

export class ClipperPanel extends Widget {
  constructor(private _options: IPanelOptions) {
    super();
    this.addClass('clipper-panel');
    this._clusters = new Clusters(this._actions, () => this.isVisible);
    const look = (): void => void this.choose().then(_options.openDashboard);
    const dashboard = button('Dashboard', 'Open the live dashboard', look);
    const lines = 'New notebook, connected to this cluster, with lines to begin with';
    const make = button('New notebook', lines, () => void this._make());
    this.node.append(
      h('style', {}, STYLE),
      this._clusters.node,
      this._where,
      h('div', { class: 'clipper-buttons' }, dashboard, make, this._insertion),
      this._trouble,
      this._note,
      this._actions.node,
      this._begin,
      this._running
    );
    this._begin.append(
      this._nothing,
      h('p', {}, h('b', {}, 'New notebook'), ' has ten lines that deploy a function, ask it, and show it at work.'),
      h('p', {}, this._lesson, ' teaches the same with a real model, in five minutes.')
    );
    this._deployed.append(h('h2', {}, 'Models'), this._models, h('h2', {}, 'Applications'), this._applications);
    this._running.append(
      this._deployed,
      h('h2', {}, 'What happened'),
      this._events,
      this._all
    );
    this._actions.changed.connect(this._render, this);
    this._clusters.changed.connect(this._watch, this);
    _options.notebooks.changed.connect(this._render, this);
    _options.notebooks.connected.connect((_, name) => void this._clusters.follow(name));
    this._render();
  }

  /** The name of the cluster that is shown; of one that runs, where there is one and none was shown yet. */
  choose(): Promise<string> {
    return this._clusters.first();
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._clusters.dispose();
    this._cluster?.letGo(this);
    super.dispose();
  }

  protected onAfterShow(): void {
    void this._clusters.refresh();
    this._cluster?.refresh();
  }

  /** Watch the chosen cluster where it runs. */
  private _watch(): void {
    const wanted = this._runs() ? this._clusters.chosen : undefined;
    if (this._cluster?.name !== wanted) {
      this._cluster?.letGo(this);
      this._cluster = wanted ? Cluster.of(wanted, this) : null;
      this._cluster?.changed.connect(this._render, this);
    }
    this._render();
  }

  private _runs(): boolean {
    const state = this._clusters.info?.state;
    return state === 'running' || state === 'silent';
  }

  private _render(): void {
    const { info, chosen } = this._clusters;
    const cluster = this._cluster;
    const runs = this._runs();
    this._clusters.update(!cluster?.trouble);
    this._models.disabled = this._actions.busy !== '';
    this.node.setAttribute('aria-busy', String(this._actions.busy !== ''));
    this._insertion.hidden = !this._options.notebooks.isOpen;
    const asked = info?.query ? [`queries at ${info.query}`, `management at ${info.management}`] : [];
    const protocols = info?.query && runs ? (cluster?.overview?.protocols ?? []) : [];
    setText(this._where, [...asked, ...beside(info?.query ?? '', protocols)].join('\n'));
    const failed = protocols.filter(each => each.trouble).map(each => `${each.name}: ${each.trouble}`);
    const warnings = [...(cluster?.overview?.cluster.warnings ?? []), ...failed].join(' ');
    const broken = info?.state === 'broken' ? info.message! : '';
    setText(this._trouble, this._clusters.trouble || broken || (runs ? cluster?.trouble || warnings : ''));
    const start = 'Start it here, with start_clipper(), or with clipperlab start.';
    const note = { stopped: `Cluster ${chosen} is not running. ${start}`, none: `There is no cluster yet. ${start}` };
    setText(this._note, (!this._actions.busy && note[info?.state as keyof typeof note]) || '');
    this._running.hidden = !runs;
    this._nothing.hidden = !runs;
    this._begin.hidden = runs ? !cluster?.overview || cluster.models.length > 0 : info?.state !== 'none';
    this._deployed.hidden = !cluster?.models.length && !cluster?.applications.length;
    this._renderModels();
    this._renderApplications();
    this._renderEvents();
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
        row = new ModelRow(this._cluster!, name, this._actions);
        this._rows.set(name, row);
        this._list.append(row.node);
      }
      row.update();
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
      const told = `${answeredBy(application) || 'no model'}; ${Math.round(rate)} answers a second; ${kept}`;
      return h('li', {}, h('b', {}, `/${application.name}/predict`), h('div', { class: 'clipper-faint' }, told));
    });
    this._applications.replaceChildren(...(items.length ? items : [h('li', { class: 'clipper-faint' }, 'None yet.')]));
  }

  private _renderEvents(): void {
    const events = this._cluster?.events ?? [];
    const shown = (this._isAll ? events : events.slice(-EVENTS)).reverse();
    const texts = shown.map(event => `${new Date(1000 * event.at).toLocaleTimeString()}  ${brief(event.text)}`);
    if (this._isAll && events[0]?.id > 1) {
      texts.push('What was before: conn.events(after=0)');
    }
    if (this._shownEvents !== texts.join()) {
      this._shownEvents = texts.join();
      const told = (text: string): HTMLElement => h('div', { class: 'clipper-faint clipper-cut', title: text }, text);
      this._events.replaceChildren(...texts.map(text => h('li', {}, told(text))));
    }
    this._all.hidden = events.length <= EVENTS;
    setText(this._all, this._isAll ? 'Fewer' : 'All events');
    this._all.setAttribute('aria-expanded', String(this._isAll));
  }

  private async _make(): Promise<void> {
    try {
      await this._options.notebooks.create(beginning(await this.choose()));
    } catch (error) {
      this._actions.say(`No notebook could be made. ${(error as Error).message}`, '');
    }
  }

  private _insert(): void {
    if (this._options.notebooks.insert(connecting(this._clusters.chosen))) {
      this._actions.say('The active notebook has the connecting code: run that cell.', '');
    }
  }

  private _open(lesson: string): void {
    void this._options.openLessons(lesson).catch(error => this._actions.say(error.message, ''));
  }

  private _actions = new Actions();
  private _clusters: Clusters;
  private _cluster: Cluster | null = null;
  private _rows = new Map<string, ModelRow>();
  private _isAll = false;
  private _shownEvents = '';
  private _insertion = button('Insert code', INSERT, () => this._insert());
  private _lesson = button('Lesson 01', 'Open lesson 01', () => this._open('01'));
  private _where = h('div', { class: 'clipper-faint clipper-where' });
  private _trouble = h('div', { class: 'clipper-trouble', role: 'status' });
  private _note = h('div', { class: 'clipper-note', role: 'status' });
  private _nothing = h('p', {}, 'Nothing is deployed here yet.');
  private _begin = h('div', { class: 'clipper-note' });
  private _running = h('div');
  private _deployed = h('div');
  private _list = h('ul', { 'aria-label': 'Models' });
  private _models = h('fieldset', {}, this._list) as HTMLFieldSetElement;
  private _applications = h('ul', { 'aria-label': 'Applications' });
  private _events = h('ul', { 'aria-label': 'What happened' });
  private _all = button('All events', 'All events that are known here', () => {
    this._isAll = !this._isAll;
    this._renderEvents();
  });
}

/** The first line of an event, and where that only announces a traceback, what went wrong. */
function brief(text: string): string {
  const lines = text.trim().split('\n');
  const announced = /\.?( Its last words)?:( Traceback.*:)?$/;
  const wrong = lines[lines.length - 1].trim();
  return lines.length > 1 && announced.test(lines[0]) ? lines[0].replace(announced, `: ${wrong}`) : lines[0];
}
