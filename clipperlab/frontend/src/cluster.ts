// One cluster as it is seen now: kept up to date by its events, and by a look now and then.

import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { IApplication, IEvent, IOverview, IPoint, IRollout, IShadow, IVersion, ask, follow, settings } from './api';

const POINTS = 300;
const EVENTS = 100;
const LOOK_MS = 1000;
const MOST_MS = 10000;
const STALE_MS = 30000;

/** Looked at only while one of its viewers is seen. All viewers of a page share one. */
export class Cluster {
  overview: IOverview | null = null;
  points: IPoint[] = [];
  events: IEvent[] = [];
  trouble = '';

  /** The cluster of that name, until `viewer` lets it go. */
  static of(name: string, viewer: Widget): Cluster {
    const cluster = Cluster._all.get(name) ?? new Cluster(name);
    Cluster._all.set(name, cluster);
    cluster._viewers.add(viewer);
    return cluster;
  }

  private constructor(readonly name: string) {
    this._topic = `${settings.baseUrl}clipperlab/${name}`;
    this._tabs = new BroadcastChannel(this._topic);
    this._tabs.onmessage = () => this.refresh();
    this._poll = new Poll({
      auto: true,
      factory: () => this._look(),
      frequency: { interval: LOOK_MS, backoff: true, max: MOST_MS },
      name: `clipperlab:${name}`,
      standby: () => this._rest()
    });
  }

  letGo(viewer: Widget): void {
    Signal.disconnectBetween(this, viewer);
    this._viewers.delete(viewer);
    if (this._viewers.size === 0) {
      Cluster._all.delete(this.name);
      this._stream?.abort();
      this._tabs.close();
      this._poll.dispose();
    }
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get applications(): IApplication[] {
    return this.overview?.applications ?? [];
  }

  get models(): string[] {
    return [...new Set((this.overview?.models ?? []).map(version => version.model_name))].sort();
  }

  versions(model: string): IVersion[] {
    return (this.overview?.models ?? []).filter(version => version.model_name === model);
  }

  current(model: string): IVersion | undefined {
    return this.versions(model).find(version => version.is_current_version);
  }

  /** The model's last one. */
  rollout(model: string): IRollout | undefined {
    return this.overview?.rollouts.find(rollout => rollout.model === model);
  }

  /** The model's last one. */
  shadow(model: string): IShadow | undefined {
    return this.overview?.shadows.find(shadow => shadow.model === model);
  }

  /** Call management; then look what there is. */
  async call(path: string, method: string, body?: unknown): Promise<void> {
    await ask(`clusters/${this.name}/api/${path}`, method, body);
    await this._poll.refresh();
  }

  batching(model: string, version: string): Promise<unknown[]> {
    return ask(`clusters/${this.name}/api/models/${model}/versions/${version}/batching`);
  }

  /** Look now, where somebody sees it. */
  refresh(): void {
    void this._poll.refresh();
  }

  private async _look(): Promise<void> {
    // It may be another cluster by now, of the same name.
    const anew = this.trouble !== '' || Date.now() - this._seen > STALE_MS;
    const after = new URLSearchParams();
    if (!anew && this.points.length > 0) {
      after.set('after_point', String(this.points[this.points.length - 1].id));
    }
    if (!anew && this.events.length > 0) {
      after.set('after_event', String(this.events[this.events.length - 1].id));
    }
    try {
      const overview = await ask<IOverview>(`clusters/${this.name}/api/overview?${after}`);
      this.overview = overview;
      this._seen = Date.now();
      this.points = anew ? overview.points : longer(this.points, overview.points).slice(-POINTS);
      this.events = anew ? overview.events : longer(this.events, overview.events).slice(-EVENTS);
      this.trouble = '';
      if (!this._stream && Date.now() >= this._followAt) {
        void this._follow();
      }
      this._changed.emit();
    } catch (error) {
      this.trouble = (error as Error).message;
      this._changed.emit();
      throw error; // the poll asks less and less often
    }
  }

  /** Whether nobody sees it: then it is not followed either. */
  private _rest(): boolean {
    const seen = !document.hidden && [...this._viewers].some(viewer => viewer.isVisible);
    if (!seen) {
      this._stream?.abort();
    }
    return !seen;
  }

  /**
   * A look at once when something happens. A browser has six connections to a server, for all its tabs: so one
   * tab has the stream, and tells the others. Where pages may not take turns (plain HTTP from elsewhere) each
   * that is seen has its own.
   */
  private async _follow(): Promise<void> {
    const stream = (this._stream = new AbortController());
    const listen = (): Promise<void> =>
      follow(this.name, stream.signal, () => {
        this._tabs.postMessage(null);
        this.refresh();
      });
    try {
      if (navigator.locks) {
        await navigator.locks.request(this._topic, { signal: stream.signal }, listen);
      } else {
        await listen();
      }
    } catch {
      // The looks say what is wrong.
    }
    this._stream = null;
    this._followAt = stream.signal.aborted ? 0 : Date.now() + MOST_MS;
  }

  private static _all = new Map<string, Cluster>();
  private _viewers = new Set<Widget>();
  private _topic: string;
  private _tabs: BroadcastChannel;
  private _poll: Poll;
  private _seen = 0;
  private _stream: AbortController | null = null;
  private _followAt = 0;
  private _changed = new Signal<this, void>(this);
}

/** With what is newer: two looks at the same time bring the same. */
function longer<T extends { id: number }>(known: T[], found: T[]): T[] {
  const last = known[known.length - 1]?.id ?? -1;
  return [...known, ...found.filter(each => each.id > last)];
}
