// A model in the side panel: its versions, its replicas, and how much it is asked.

import { IVersion } from './api';
import { Cluster } from './cluster';
import { button, h, setText, sparkline } from './dom';

const SPARKS = 60;

export type Do = (what: string, code: string, call: () => Promise<void>) => void;

/** A model: which version is current, how many replicas it has, and how much it is asked. */
export class ModelRow {
  readonly node: HTMLElement;

  constructor(
    readonly cluster: Cluster,
    private _name: string,
    private _do: Do
  ) {
    this._versions.setAttribute('aria-label', `Current version of ${_name}`);
    this._versions.addEventListener('change', () => this._move(this._versions.value));
    this._back = button('Roll back', `Roll ${_name} back to the version before`, () => this._rollBack());
    this._fewer = button('−', `One replica of ${_name} fewer`, () => this._scale(-1));
    this._more = button('+', `One replica of ${_name} more`, () => this._scale(1));
    this.node = h(
      'li',
      {},
      h('div', { class: 'clipper-row' }, h('b', {}, _name), this._spark),
      h('div', { class: 'clipper-row' }, this._versions, this._back, this._fewer, this._replicas, this._more),
      this._state
    );
  }

  update(): void {
    const { cluster } = this;
    const versions = cluster.versions(this._name);
    const current = cluster.current(this._name);
    const names = versions.map(version => version.model_version);
    if ([...this._versions.options].map(option => option.value).join() !== names.join()) {
      this._versions.replaceChildren(...names.map(name => h('option', { value: name }, `version ${name}`)));
    }
    if (document.activeElement !== this._versions || this._shown !== current?.model_version) {
      this._versions.value = this._shown = current?.model_version ?? '';
    }
    const steered = current !== undefined && current.artifact !== null && current.autoscaling === null;
    this._back.disabled = versions.length < 2;
    this._more.disabled = !steered;
    this._fewer.disabled = !steered || current.num_replicas === 0;
    setText(this._replicas, current ? String(current.num_replicas) : '–');
    this._replicas.setAttribute('aria-label', `${current?.num_replicas ?? 0} replicas`);
    setText(this._state, versions.map(version => health(version)).filter(Boolean).join(' '));
    const asked = cluster.points
      .slice(-SPARKS)
      .map(point => names.reduce((sum, name) => sum + (point.versions[`${this._name}:${name}`]?.asked ?? 0), 0));
    this._spark.replaceChildren(sparkline(asked, `Inputs a second of ${this._name}`));
  }

  private _move(version: string): void {
    const code = `conn.set_model_version(${JSON.stringify(this._name)}, ${JSON.stringify(version)})`;
    this._do(`Making ${this._name}:${version} current`, code, () =>
      this.cluster.call(`models/${this._name}/current`, 'PUT', { version })
    );
  }

  private _rollBack(): void {
    this._do(`Rolling back ${this._name}`, `conn.rollback(${JSON.stringify(this._name)})`, () =>
      this.cluster.call(`models/${this._name}/rollback`, 'POST', {})
    );
  }

  private _scale(by: number): void {
    const current = this.cluster.current(this._name);
    if (current) {
      const count = Math.max(0, current.num_replicas + by);
      const code = `conn.set_num_replicas(${JSON.stringify(this._name)}, ${count})`;
      this._do(`Scaling ${this._name} to ${count}`, code, () =>
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
  private _replicas = h('span', { role: 'status' });
  private _spark = h('span');
  private _state = h('div', { class: 'clipper-faint' });
}

/** In words; of a version that is well and not current there is nothing to say. */
function health(version: IVersion): string {
  const name = `Version ${version.model_version}`;
  if (version.error) {
    return `${name} is ${version.state}: ${version.error.trim().split('\n').pop()}`;
  }
  if (version.state !== 'ready') {
    const why = version.warnings.slice(-1).map(warning => ` ${warning.trim()}`);
    return `${name} is ${version.state}: ${version.ready_replicas} of ${version.num_replicas} ready.${why}`;
  }
  if (!version.is_current_version) {
    return '';
  }
  const bounds = version.autoscaling;
  const by = version.cpu_percent ? ` at ${version.cpu_percent} % CPU` : '';
  const scaled = bounds ? `, scaled automatically from ${bounds[0]} to ${bounds[1]}${by}` : '';
  return `${name}: ${version.ready_replicas} of ${version.num_replicas} ready${scaled}.`;
}
