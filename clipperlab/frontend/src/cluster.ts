// One cluster as it is seen now: kept up to date by its events, and by a look now and then.

import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { IApplication, IEvent, IOverview, IPoint, IVersion, ask, follow } from './api';

const POINTS = 300;
const EVENTS = 100;
const LOOK_MS = 1000;
const MOST_MS = 10000;

export class Cluster {
  overview: IOverview | null = null;
  points: IPoint[] = [];
  events: IEvent[] = [];
  trouble = '';

  constructor(readonly name: string) {
    this._poll = new Poll({
      auto: true,
      factory: () => this._look(),
      frequency: { interval: LOOK_MS, backoff: true, max: MOST_MS },
      name: `clipperlab:${name}`,
      standby: 'when-hidden'
    });
    void this._follow();
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

  /** Call management; then look what there is. */
  async call(path: string, method: string, body?: unknown): Promise<void> {
    await ask(`${this.name}/api/${path}`, method, body);
    await this._poll.refresh();
  }

  batching(model: string, version: string): Promise<unknown[]> {
    return ask(`${this.name}/api/models/${model}/versions/${version}/batching`);
  }

  dispose(): void {
    this._ended.abort();
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _look(): Promise<void> {
    const after = new URLSearchParams();
    if (this.trouble === '' && this.points.length > 0) {
      after.set('after_point', String(this.points[this.points.length - 1].id));
    }
    if (this.trouble === '' && this.events.length > 0) {
      after.set('after_event', String(this.events[this.events.length - 1].id));
    }
    try {
      const overview = await ask<IOverview>(`${this.name}/api/overview?${after}`);
      const anew = this.trouble !== '';
      this.overview = overview;
      this.points = [...(anew ? [] : this.points), ...overview.points].slice(-POINTS);
      this.events = [...(anew ? [] : this.events), ...overview.events].slice(-EVENTS);
      this.trouble = '';
      this._changed.emit();
    } catch (error) {
      this.trouble = (error as Error).message;
      this._changed.emit();
      throw error; // the poll asks less and less often
    }
  }

  /** A look at once when something happens. Where the stream ends it is begun again. */
  private async _follow(): Promise<void> {
    while (!this._ended.signal.aborted) {
      try {
        await follow(this.name, this._ended.signal, () => void this._poll.refresh());
      } catch {
        // The looks say what is wrong.
      }
      await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    }
  }

  private _poll: Poll;
  private _ended = new AbortController();
  private _changed = new Signal<this, void>(this);
}
