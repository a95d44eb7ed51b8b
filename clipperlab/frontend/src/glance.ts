// What a cluster looks like at a glance: its applications and its versions, as tables.

import { IApplication, IPoint, IProtocol, IRollout, IVersion } from './api';
import { h } from './dom';

const NOTHING = '-';

/** Who answers, in words, as clipperlab/policies.py has them; "" where nobody does. */
export function answeredBy({ linked_models: linked, policy }: IApplication): string {
  if (policy === null) {
    return linked.join(', ');
  }
  if (policy.kind === 'cascade') {
    return `cascade of ${policy.arms!.join(', ')}, below ${policy.below}`;
  }
  if (policy.kind !== 'split') {
    return `${policy.kind} of ${policy.arms!.join(', ')}${policy.learned ? ', learned' : ''}`;
  }
  const percent = (weight: number): string => Number((100 * weight).toPrecision(6)).toString();
  const shares = Object.entries(policy.weights!).map(([arm, weight]) => `${arm} ${percent(weight)} %`);
  return `split: ${shares.join(', ')}${policy.sticky ? ', by unit' : ''}`;
}

/** The protocols that are not off, and not at the port for queries, as clipperlab/display/protocols.py has them. */
export function beside(query: string, protocols: IProtocol[]): string[] {
  const seen = protocols.filter(({ state, rest }) => state !== 'off' && rest !== query);
  return seen.map(({ name, state, rest, grpc }) => {
    const ways = [rest && `${rest} (REST)`, grpc && `${grpc} (gRPC)`].filter(Boolean);
    return `${name} at ${ways.join(' and ')}${state === 'on' ? '' : `, ${state}`}`;
  });
}

/** Whether its inputs go to one arm or another: by a split, a learner, or a rollout that runs. */
export function splits(application: IApplication, rollouts: IRollout[]): boolean {
  const { policy, linked_models: linked } = application;
  const arms = policy === null ? linked.slice(0, 1) : (policy.arms ?? Object.keys(policy.weights!));
  return (policy !== null && !['vote', 'cascade'].includes(policy.kind)) || rollouts.some(each => each.ended_at === null && arms.includes(each.model));
}

export function applicationTable(applications: IApplication[], point: IPoint | undefined): HTMLElement {
  const rows = applications.map(application => {
    const seen = point?.applications[application.name];
    const rate = seen && Object.values(seen.answers).reduce((sum, each) => sum + each, 0);
    const defaults = rate ? 100 * (1 - (seen.answers.model ?? 0) / rate) : null;
    return [
      application.name,
      `${application.latency_slo_micros / 1000} ms`,
      answeredBy(application) || 'none: only default outputs',
      rate === undefined ? NOTHING : rounded(rate),
      defaults === null ? NOTHING : `${rounded(defaults)} %`,
      typeof seen?.p99_ms === 'number' ? `${seen.p99_ms.toFixed(1)} ms` : NOTHING
    ];
  });
  return table(['application', 'objective', 'linked models'], ['answers /s', 'defaults', 'p99'], rows);
}

export function versionTable(versions: IVersion[], point: IPoint | undefined): HTMLElement {
  const rows = versions.map(version => {
    const name = `${version.model_name}:${version.model_version}`;
    const seen = point?.versions[name];
    return [
      version.is_current_version ? `${name} (current)` : name,
      version.state,
      `${version.ready_replicas} of ${version.num_replicas} ready`,
      seen ? rounded(seen.asked) : NOTHING,
      seen ? rounded(seen.waiting) : NOTHING,
      typeof seen?.utilisation === 'number' ? `${rounded(100 * seen.utilisation)} %` : NOTHING
    ];
  });
  return table(['version', 'state', 'replicas'], ['inputs /s', 'waiting', 'busy'], rows);
}

function rounded(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** The columns of numbers stand at the right, in digits of one width. */
function table(words: string[], numbers: string[], rows: string[][]): HTMLElement {
  const style = (i: number): Record<string, string> => (i < words.length ? {} : { class: 'clipper-number' });
  const head = [...words, ...numbers].map((name, i) => h('th', { scope: 'col', ...style(i) }, name));
  const body = rows.map(row => h('tr', {}, ...row.map((cell, i) => h('td', style(i), cell))));
  return h('table', {}, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...body));
}
