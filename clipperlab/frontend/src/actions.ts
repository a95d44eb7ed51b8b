// What the side panel does, one thing at a time, and what became of it.

import { Clipboard } from '@jupyterlab/apputils';
import { ISignal, Signal } from '@lumino/signaling';
import { button, h } from './dom';

export class Actions {
  /** Shows what became of the last action, with the Python that does the same. */
  readonly node = h('div', { class: 'clipper-said' });

  /** What is being done now, in words; "" where nothing is. */
  get busy(): string {
    return this._busy;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Do it, and say what became of it. While something is done already, nothing happens. */
  async do(what: string, code: string, call: () => Promise<unknown>): Promise<void> {
    if (this._busy) {
      return;
    }
    const focused = document.activeElement as HTMLElement | null;
    this._set(what);
    this.say(`${what} …`, code);
    let failure: Error | undefined;
    try {
      await call();
    } catch (error) {
      failure = error as Error;
    }
    this._set('');
    const [first, ...rest] = failure?.message.split('\n') ?? [];
    this.say(failure ? `${what} failed. ${first}` : `${what}: done.`, code, rest.join('\n'));
    if (document.activeElement === document.body) {
      focused?.focus(); // what is disabled loses it
    }
  }

  say(text: string, code: string, more = ''): void {
    const copy = button('Copy', 'Copy the line of Python', () => {
      Clipboard.copyToSystem(code); // the browser's own way is closed to pages over plain HTTP
      copy.textContent = 'Copied';
    });
    this.node.replaceChildren(
      h('div', { role: 'status', class: this._busy ? 'clipper-busy' : '' }, text),
      ...(more ? [h('pre', {}, more)] : []),
      ...(code ? [h('div', { class: 'clipper-python' }, h('code', { tabindex: '0' }, code), copy)] : [])
    );
  }

  private _set(what: string): void {
    this._busy = what;
    this._changed.emit();
  }

  private _busy = '';
  private _changed = new Signal<this, void>(this);
}
