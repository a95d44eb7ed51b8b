// The live dashboard: the same pictures as in a notebook, over the same points, with no kernel.

import { Widget } from '@lumino/widgets';
import agreement from '../../static/agreement.js';
import arms from '../../static/arms.js';
import batches from '../../static/batches.js';
import latency from '../../static/latency.js';
import queue from '../../static/queue.js';
import regret from '../../static/regret.js';
import rollout from '../../static/rollout.js';
import throughput from '../../static/throughput.js';
import versions from '../../static/versions.js';
import { Cluster } from './cluster';
import { STYLE, h, setText } from './dom';
import { splits } from './glance';

interface IDrawing {
  render: (context: { model: any; el: HTMLElement }) => (() => void) | void;
}

/** What a drawing module needs of a widget's model. */
class Traits {
  constructor(private _values: Record<string, unknown>) {}

  get(name: string): unknown {
    return this._values[name];
  }

  set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) {
      this._values[name] = value;
      for (const listener of this._listeners.get(`change:${name}`) ?? []) {
        listener();
      }
    }
  }

  on(event: string, listener: () => void): void {
    this._listeners.set(event, [...(this._listeners.get(event) ?? []), listener]);
  }

  off(event: string, listener: () => void): void {
    this._listeners.set(event, (this._listeners.get(event) ?? []).filter(other => other !== listener));
  }

  private _listeners = new Map<string, (() => void)[]>();
}

/** Of a cluster, one application, one model, or the rollout of one. */
export interface IPart {
  application?: string;
  model?: string;
  rollout?: string;
}

/** An application, and what there is to draw of it. */
interface IShown {
  name: string;
  isSplit: boolean;
  isJudged: boolean;
  isVote: boolean;
}

export class Dashboard extends Widget {
  /** Of all that is in the cluster, or of `part` of it alone. */
  constructor(
    readonly cluster: string,
    private _part?: IPart
  ) {
    super();
    this.addClass('clipper-dashboard');
    this._cluster = Cluster.of(cluster, this);
    this._cluster.changed.connect(this._update, this);
    this.node.append(h('style', {}, STYLE), h('h1', {}, cluster), this._trouble, this._body);
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._clear();
    this._cluster.letGo(this);
    super.dispose();
  }

  protected onAfterShow(): void {
    this._cluster.refresh();
  }

  private async _update(): Promise<void> {
    const cluster = this._cluster;
    setText(this._trouble, cluster.trouble);
    const part = this._part;
    const applications = cluster.applications
      .filter(({ name }) => !part || name === part.application)
      .map(application => ({
        name: application.name,
        isSplit: splits(application, cluster.overview?.rollouts ?? []),
        isJudged: application.feedback !== null,
        isVote: application.policy?.kind === 'vote'
      }));
    const mine = cluster.models.filter(model => !part || model === part.model);
    const models = mine.map(model => `${model}:${cluster.current(model)?.model_version ?? ''}`);
    const rollouts = cluster.models.filter(
      model => cluster.rollout(model) && (!part || model === part.model || model === part.rollout)
    );
    const shown = JSON.stringify([applications, models, rollouts]);
    if (shown !== this._shown) {
      this._shown = shown;
      this._clear();
      this._build(applications, models, rollouts);
    }
    const { points, events } = cluster;
    for (const [traits] of this._pictures) {
      const application = cluster.applications.find(each => each.name === traits.get('name'));
      traits.set({ points, events });
      if (application && traits.get('of') === 'application') {
        traits.set({ objective_ms: application.latency_slo_micros / 1000 });
      }
      if (traits.get('of') === 'rollout') {
        traits.set({ rollout: cluster.rollout(String(traits.get('name'))) ?? {} });
      }
      if (traits.get('of') === 'batches' && this.isVisible && !cluster.trouble) {
        const [model, version] = String(traits.get('name')).split(':');
        traits.set({ batching: await cluster.batching(model, version).catch(() => []) });
      }
    }
  }

  private _build(applications: IShown[], models: string[], rollouts: string[]): void {
    for (const { name, isSplit, isJudged, isVote } of applications) {
      const section = h('section');
      this._body.append(h('h2', {}, `Application ${name}`), section);
      this._draw(section, throughput, 'application', name);
      this._draw(section, latency, 'application', name);
      if (isSplit) {
        this._draw(section, arms, 'application', name);
      }
      if (isSplit && isJudged) {
        this._draw(section, regret, 'application', name);
      }
      if (isVote) {
        this._draw(section, agreement, 'application', name);
      }
    }
    for (const name of rollouts) {
      const section = h('section');
      this._body.append(...(this._part?.rollout ? [] : [h('h2', {}, `Rollout of ${name}`)]), section);
      this._draw(section, rollout, 'rollout', name);
    }
    for (const current of models) {
      const [model, version] = current.split(':');
      const section = h('section');
      this._body.append(h('h2', {}, `Model ${model}`), section);
      this._draw(section, versions, 'model', model);
      if (version) {
        this._draw(section, queue, 'version', current);
        this._draw(section, batches, 'batches', current);
      }
    }
    if (!applications.length && !models.length && !rollouts.length) {
      this._body.append(h('p', {}, 'No applications and no models yet: deploy something from a notebook.'));
    }
  }

  private _draw(section: HTMLElement, drawing: IDrawing, of: string, name: string): void {
    const traits = new Traits({ name, of, points: [], events: [], batching: [], rollout: {}, objective_ms: 0 });
    const el = h('div');
    section.append(el);
    this._pictures.push([traits, drawing.render({ model: traits, el })]);
  }

  private _clear(): void {
    for (const [, end] of this._pictures) {
      end?.();
    }
    this._pictures = [];
    this._body.replaceChildren();
  }

  private _cluster: Cluster;
  private _shown = '';
  private _pictures: [Traits, (() => void) | void][] = [];
  private _trouble = h('div', { class: 'clipper-trouble', role: 'status' });
  private _body = h('div');
}
