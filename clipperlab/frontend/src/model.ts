// A model in the side panel: its versions, its replicas, and how much it is asked.

import { Actions } from './actions';
import { IRollout, IShadow, IVersion } from './api';
import { Cluster } from './cluster';
import { button, h, setText, sparkline } from './dom';

const SPARKS = 60;
const FAILED = 'failed';

/** A model: which version is current, how many replicas it has, and how much it is asked. */
export class ModelRow {
  readonly node: HTMLElement;

  constructor(
    readonly cluster: Cluster,
    private _name: string,
    private _actions: Actions
  ) {
    this._versions.setAttribute('aria-label', `Current version of ${_name}`);
    this._versions.addEventListener('change', () => this._move(this._versions.value));
    this._back = button('Roll back', `Roll ${_name} back to the version before`, () => this._rollBack());
    this._fewer = button('−', `One replica of ${_name} fewer`, () => this._scale(-1));
    this._more = button('+', `One replica of ${_name} more`, () => this._scale(1));
    this._back.classList.add('clipper-back');
    const replicas = h('span', { class: 'clipper-faint' }, 'replicas');
    this.node = h(
      'li',
      {},
      h('div', { class: 'clipper-row' }, h('b', {}, _name), this._spark),
      h('div', { class: 'clipper-model' }, this._versions, this._back, replicas, this._fewer, this._count, this._more),
      this._states,
      this._rollout,
      this._shadow
    );
  }

  update(): void {
    const { cluster } = this;
    const versions = cluster.versions(this._name);
    const current = cluster.current(this._name);
    const names = versions.map(version => version.model_version);
    const options = versions.map(version => option(version.model_version, `version ${version.model_version}`, version.state));
    const offered = current ? options : [option('', 'none is current', FAILED), ...options];
    if (this._versions.textContent !== offered.map(each => each.textContent).join('')) {
      this._versions.replaceChildren(...offered);
      this._shown = undefined;
    }
    if (document.activeElement !== this._versions || this._shown !== current?.model_version) {
      this._versions.value = this._shown = current?.model_version ?? '';
    }
    const steered = current !== undefined && current.artifact !== null && current.autoscaling === null;
    this._back.disabled = !versions.some(version => version.is_rolled_back_to);
    this._more.disabled = !steered;
    this._fewer.disabled = !steered || current.num_replicas === 0;
    setText(this._count, current ? String(current.num_replicas) : '–');
    this._count.setAttribute('aria-label', `${current?.num_replicas ?? 0} replicas`);
    const states = JSON.stringify(versions.map(version => [version.state, told(version)]));
    if (this._shownStates !== states) {
      this._shownStates = states;
      this._states.replaceChildren(...versions.flatMap(version => this._state(version)));
    }
    this._renderRollout();
    this._renderShadow();
    const asked = cluster.points
      .slice(-SPARKS)
      .map(point => names.reduce((sum, name) => sum + (point.versions[`${this._name}:${name}`]?.asked ?? 0), 0));
    this._spark.replaceChildren(sparkline(asked, `Inputs a second of ${this._name}`));
  }

  /** What there is to say of a version: the first line, and more to unfold. */
  private _state(version: IVersion): HTMLElement[] {
    const { model_version: name, state } = version;
    const [first, more] = told(version);
    if (!first) {
      return [];
    }
    const dot = h('i', { class: 'clipper-dot', 'data-state': state });
    const line = h('div', { class: 'clipper-state' }, dot, h('span', more ? { class: 'clipper-cut' } : {}, first));
    if (more) {
      line.append(h('details', {}, h('summary', {}, 'more'), h('pre', { tabindex: '0' }, more)));
    }
    if (state === FAILED) {
      line.append(button('Remove', `Remove ${this._name}:${name}`, () => this._remove(name)));
    }
    return [line];
  }

  /** One that runs or has failed: where it stands, and why. What else has ended, the current version tells. */
  private _renderRollout(): void {
    const rollout = this.cluster.rollout(this._name);
    const shown = rollout && ['running', 'paused', 'failed'].includes(rollout.state) ? rollout : undefined;
    this._rollout.hidden = !shown;
    if (shown) {
      this._rolloutDot.setAttribute('data-state', shown.state);
      setText(this._rolloutText, `Rollout to version ${shown.canary} ${standing(shown)}`);
      setText(this._verdict, shown.verdict);
    }
  }

  /** One that runs: what it is asked, and how often it agrees. */
  private _renderShadow(): void {
    const shadow = this.cluster.shadow(this._name);
    this._shadow.hidden = shadow?.state !== 'running';
    if (shadow && !this._shadow.hidden) {
      setText(this._shadowText, `Shadow: version ${shadow.version} ${agreeing(shadow)}`);
    }
  }

  private _remove(version: string): void {
    const versions = JSON.stringify({ [this._name]: [version] });
    void this._actions.do(`Removing ${this._name}:${version}`, `conn.stop_versioned_models(${versions})`, () =>
      this.cluster.call(`models/${this._name}/versions/${version}`, 'DELETE')
    );
  }

  private _move(version: string): void {
    const code = `conn.set_model_version(${JSON.stringify(this._name)}, ${JSON.stringify(version)})`;
    void this._actions.do(`Making ${this._name}:${version} current`, code, () =>
      this.cluster.call(`models/${this._name}/current`, 'PUT', { version })
    );
  }

  private _rollBack(): void {
    void this._actions.do(`Rolling back ${this._name}`, `conn.rollback(${JSON.stringify(this._name)})`, () =>
      this.cluster.call(`models/${this._name}/rollback`, 'POST', {})
    );
  }

  private _scale(by: number): void {
    const current = this.cluster.current(this._name);
    if (current) {
      const count = Math.max(0, current.num_replicas + by);
      const code = `conn.set_num_replicas(${JSON.stringify(this._name)}, ${count})`;
      void this._actions.do(`Scaling ${this._name} to ${count}`, code, () =>
        this.cluster.call(`models/${this._name}/versions/${current.model_version}/replicas`, 'PUT', {
          num_replicas: count
        })
      );
    }
  }

  private _shown: string | undefined;
  private _versions = h('select') as HTMLSelectElement;
  private _back: HTMLButtonElement;
  private _fewer: HTMLButtonElement;
  private _more: HTMLButtonElement;
  private _count = h('span', { role: 'status', class: 'clipper-count' });
  private _spark = h('span');
  private _shownStates = '';
  private _states = h('div', { class: 'clipper-faint' });
  private _rolloutDot = h('i', { class: 'clipper-dot' });
  private _rolloutText = h('span', { role: 'status' });
  private _verdict = h('span', { class: 'clipper-verdict' });
  private _rollout = h(
    'div',
    { class: 'clipper-state clipper-faint' },
    this._rolloutDot,
    h('span', {}, this._rolloutText, ' ', this._verdict)
  );
  private _shadowText = h('span', { role: 'status' });
  private _shadow = h(
    'div',
    { class: 'clipper-state clipper-faint' },
    h('i', { class: 'clipper-dot', 'data-state': 'running' }),
    this._shadowText
  );
}

/** What a shadow is asked, and how often it says the same. */
function agreeing({ fraction, seen }: IShadow): string {
  const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
  const asked = `is asked ${percent(fraction)} of the inputs`;
  if (seen.agreement === null) {
    return `${asked}.`;
  }
  return `${asked}, and agrees in ${percent(seen.agreement)} of ${seen.compared.toLocaleString('en')}.`;
}

/** How a rollout is, and what the new version gets. */
function standing({ state, step, steps, share, control }: IRollout): string {
  if (state !== 'failed') {
    return `${state}: step ${step + 1} of ${steps.length}, ${Number((100 * share).toPrecision(3))} % of the queries.`;
  }
  return `${state}: version ${control} answers all again.`;
}

function option(value: string, text: string, state: string): HTMLElement {
  const known = state === FAILED && value ? `${text}, failed` : text;
  return h('option', { value, ...(state === FAILED ? { disabled: '' } : {}) }, known);
}

/** In words, and what there is besides; of a version that is well and not current there is nothing to say. */
function told(version: IVersion): [string, string] {
  const name = `Version ${version.model_version}`;
  if (version.error) {
    const error = version.error.trim();
    return [`${name} ${version.state}: ${error.split('\n').pop()}`, error];
  }
  if (version.state !== 'ready') {
    const why = version.warnings.slice(-1).map(warning => ` ${warning.trim()}`);
    return [`${name} is ${version.state}: ${version.ready_replicas} of ${version.num_replicas} ready.${why}`, ''];
  }
  if (!version.is_current_version) {
    return ['', ''];
  }
  const bounds = version.autoscaling;
  const by = version.cpu_percent ? ` at ${version.cpu_percent} % CPU` : '';
  const scaled = bounds ? `, scaled automatically from ${bounds[0]} to ${bounds[1]}${by}` : '';
  return [`${name}: ${version.ready_replicas} of ${version.num_replicas} ready${scaled}.`, ''];
}
