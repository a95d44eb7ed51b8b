// The clusters of this user: which one is looked at; made, started, stopped and forgotten.

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';
import { Actions } from './actions';
import { IClusterInfo, ask } from './api';
import { DEFAULT } from './code';
import { button, h, setText } from './dom';

const LOOK_MS = 3000;
const NEW = ''; // no name of a cluster

export class Clusters {
  readonly node: HTMLElement;

  constructor(
    private _actions: Actions,
    isSeen: () => boolean
  ) {
    this._choice.addEventListener('change', () => {
      if (this._choice.value === NEW) {
        this._choice.value = this._chosen;
        void this._make();
      } else {
        this.choose(this._choice.value);
      }
    });
    this.node = h('fieldset', { class: 'clipper-cluster' }, this._choice, this._start, this._stop);
    this._poll = new Poll({
      auto: true,
      factory: () => this._look(),
      frequency: { interval: LOOK_MS, backoff: true, max: 30000 },
      name: 'clipperlab:clusters',
      standby: () => !isSeen() || document.hidden
    });
  }

  /** The list, or the choice, may be another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get chosen(): string {
    return this._chosen;
  }

  get info(): IClusterInfo | undefined {
    return this._all.find(cluster => cluster.name === this._chosen);
  }

  /** Why the list cannot be had; "" where it can. */
  get trouble(): string {
    return this._trouble;
  }

  choose(name: string): void {
    if (this._all.some(cluster => cluster.name === name)) {
      this._chosen = this._choice.value = name;
      this._changed.emit();
    }
  }

  /** Choose the one that a notebook is connected to: it may be newer than the list. */
  async follow(name: string): Promise<void> {
    if (!this._all.some(cluster => cluster.name === name)) {
      await this._look().catch(() => undefined); // the panel says what is wrong
    }
    this.choose(name);
  }

  /** The name of the one that is shown; of one that runs, where there is one and none was shown yet. */
  async first(): Promise<string> {
    if (!this._chosen) {
      await this._look().catch(() => undefined); // the dashboard says what is wrong
    }
    return this._chosen || DEFAULT;
  }

  refresh(): Promise<void> {
    return this._poll.refresh();
  }

  /** Offer what can be done to the chosen one, which answers well or not. */
  update(isWell: boolean): void {
    const state = this.info?.state;
    (this.node as HTMLFieldSetElement).disabled = this._actions.busy !== '';
    this._start.disabled = state === undefined || (state === 'running' && isWell);
    this._stop.disabled = state === undefined || state === 'none';
    const verb = state === 'stopped' || state === 'none' ? 'Forget' : 'Stop';
    setText(this._stop, `${verb}…`);
    this._stop.title = `${verb} this cluster`;
    this._stop.setAttribute('aria-label', this._stop.title);
  }

  dispose(): void {
    this._poll.dispose();
  }

  private async _look(): Promise<void> {
    const look = ++this._looks;
    try {
      const found = (await ask<{ clusters: IClusterInfo[] }>('clusters')).clusters;
      if (look < this._newest) {
        return; // one that began later, perhaps after a change, has answered already
      }
      this._newest = look;
      this._all = found;
      this._trouble = '';
    } catch (error) {
      this._trouble = (error as Error).message;
      this._changed.emit();
      throw error; // it is asked less and less often
    }
    if (this._all.length === 0) {
      this._all = [{ name: DEFAULT, state: 'none' }];
    }
    const names = this._all.map(cluster => cluster.name);
    if ([...this._choice.options].map(option => option.value).join() !== [...names, NEW].join()) {
      const options = names.map(name => h('option', { value: name }, name));
      this._choice.replaceChildren(...options, h('option', { value: NEW }, 'New cluster…'));
      this._choice.value = this._chosen;
    }
    if (names.includes(this._chosen)) {
      this._changed.emit();
    } else {
      this.choose((this._all.find(cluster => cluster.state === 'running') ?? this._all[0]).name);
    }
  }

  private async _make(): Promise<void> {
    const { button: pressed, value } = await InputDialog.getText({
      title: 'New cluster',
      label: 'Its name: lower-case letters, digits and hyphens',
      okLabel: 'Start',
      pattern: '[a-z0-9]([a-z0-9\\-]*[a-z0-9])?',
      required: true
    });
    if (pressed.accept && value) {
      await this._do('Starting', value, `ClipperConnection("${value}").start_clipper()`, 'POST', `${value}/start`);
      this.choose(value);
    }
  }

  private _up(): void {
    void this._do('Starting', this._chosen, 'conn.start_clipper()', 'POST', `${this._chosen}/start`);
  }

  private async _down(): Promise<void> {
    const name = this._chosen;
    const isStopped = this.info?.state === 'stopped';
    const verb = isStopped ? 'Forget' : 'Stop';
    const { button: pressed, isChecked } = await showDialog({
      title: `${verb} ${name}?`,
      body: isStopped
        ? 'Its applications, models and history are removed, and cannot be brought back.'
        : 'Its applications answer nobody until it is started again. It keeps its applications and models.',
      checkbox: isStopped ? null : { label: 'Forget them too: they cannot be brought back' },
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: verb })]
    });
    if (!pressed.accept) {
      return;
    }
    if (isStopped || isChecked) {
      await this._do('Forgetting', name, 'conn.stop_all(purge=True)', 'DELETE', name);
    } else {
      await this._do('Stopping', name, 'conn.stop_all()', 'POST', `${name}/stop`);
    }
  }

  private _do(what: string, name: string, code: string, method: string, path: string): Promise<void> {
    return this._actions.do(`${what} ${name}`, code, async () => {
      await ask(`clusters/${path}`, method);
      await this._look().catch(() => undefined); // the panel says what is wrong, and the poll looks again
    });
  }

  private _all: IClusterInfo[] = [];
  private _chosen = '';
  private _trouble = '';
  private _looks = 0;
  private _newest = 0;
  private _poll: Poll;
  private _changed = new Signal<this, void>(this);
  private _choice = h('select', { 'aria-label': 'Cluster' }) as HTMLSelectElement;
  private _start = button('Start', 'Start this cluster', () => this._up());
  private _stop = button('Stop…', 'Stop this cluster', () => void this._down());
}
