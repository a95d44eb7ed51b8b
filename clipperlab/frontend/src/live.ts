// A view of a cluster that needs no kernel: tables and pictures, and nothing that changes anything.

import { Panel, Widget } from '@lumino/widgets';
import { Cluster } from './cluster';
import { Dashboard, IPart } from './dashboard';
import { STYLE, button, h, setText } from './dom';
import { applicationTable, versionTable } from './glance';

export const MIME = 'application/vnd.clipperlab.view+json';

/** What a live view says of itself in a notebook, as clipperlab/display/live.py writes it. */
export interface IView {
  cluster: string;
  kind: 'panel' | 'cluster' | 'application' | 'model' | 'rollout';
  name: string;
}

/** A notebook may come from anybody, and its names go into addresses. */
export function isView(view: any): view is IView {
  const kinds = ['panel', 'cluster', 'application', 'model', 'rollout'];
  return (
    kinds.includes(view?.kind) && typeof view.name === 'string' && /^[a-z0-9-]+$/.test(String(view.cluster))
  );
}

export class Live extends Panel {
  /** `still` is what the notebook has of it: shown where the cluster cannot be seen. */
  constructor(
    private _shown: IView,
    private _still: Widget | null,
    steer: () => void
  ) {
    super();
    this.addClass('clipper-live');
    const head = h(
      'div',
      { class: 'clipper-row' },
      this._said,
      button('Side panel', 'Show the side panel, which steers the cluster', steer)
    );
    const top = new Widget();
    top.node.append(h('style', {}, STYLE, LIVE_STYLE), head, this._trouble, this._tables);
    this.addWidget(top);
    if (_still) {
      _still.addClass('clipper-old');
      _still.hide();
      this.addWidget(_still);
    }
    if (_shown.kind !== 'cluster') {
      this._dashboard = new Dashboard(_shown.cluster, this._part());
      this._dashboard.hide();
      this.addWidget(this._dashboard);
    }
    this._cluster = Cluster.of(_shown.cluster, this);
    this._cluster.changed.connect(this._update, this);
    setText(this._said, `Looking for cluster ${_shown.cluster}.`);
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._cluster.letGo(this);
      super.dispose();
    }
  }

  protected onAfterAttach(): void {
    this._cluster.refresh();
  }

  protected onAfterShow(): void {
    this._cluster.refresh();
  }

  private _update(): void {
    const { overview, points, trouble } = this._cluster;
    setText(this._trouble, trouble);
    this._tables.classList.toggle('clipper-old', trouble !== '');
    this._still?.setHidden(overview !== null);
    this._dashboard?.setHidden(overview === null);
    if (trouble) {
      const since = this._at ? `, as it was at ${this._at.toLocaleTimeString('en-GB')}` : '';
      setText(this._said, `Cluster ${this._shown.cluster}${since}`);
      return;
    }
    this._at = new Date();
    setText(this._said, `${this._what()}, live and without a kernel`);
    const { application, model, rollout } = this._part() ?? {};
    const applications = this._cluster.applications.filter(each => !application || each.name === application);
    const versions = model ? this._cluster.versions(model) : (overview?.models ?? []);
    const newest = points[points.length - 1];
    const tables = [];
    if (rollout) {
      return; // the picture has it all
    }
    if (!model) {
      tables.push(applications.length ? applicationTable(applications, newest) : h('p', {}, 'No application.'));
    }
    if (!application) {
      tables.push(versions.length ? versionTable(versions, newest) : h('p', {}, 'No model.'));
    }
    this._tables.replaceChildren(...tables);
  }

  private _what(): string {
    const { cluster, kind, name } = this._shown;
    const what = { model: 'Model', application: 'Application', rollout: 'Rollout of' }[kind as string] ?? '';
    return name ? `${what} ${name} of cluster ${cluster}` : `Cluster ${cluster}`;
  }

  private _part(): IPart | undefined {
    const { kind, name } = this._shown;
    return kind === 'panel' || kind === 'cluster' ? undefined : { [kind]: name };
  }

  private _cluster: Cluster;
  private _dashboard: Dashboard | null = null;
  private _at: Date | null = null;
  private _said = h('b');
  private _trouble = h('div', { class: 'clipper-trouble', role: 'status' });
  private _tables = h('div', { class: 'clipper-tables', tabindex: '0' });
}

const LIVE_STYLE = `
.clipper-live { color: var(--jp-ui-font-color1); padding: 4px 0; }
.clipper-live .clipper-row > b { flex: 0 1 auto; font-weight: 600; }
.clipper-live .clipper-old { opacity: 0.6; }
.clipper-live .clipper-tables { overflow-x: auto; }
.clipper-live table { border-collapse: collapse; margin: 6px 0; line-height: 1.5; }
.clipper-live .clipper-tables th, .clipper-live .clipper-tables td { text-align: left; padding: 1px 12px 1px 0;
  white-space: nowrap; }
.clipper-live .clipper-tables .clipper-number { text-align: right; min-width: 4.5em;
  font-variant-numeric: tabular-nums; }
.clipper-live .clipper-dashboard { padding: 0; }
.clipper-live .clipper-dashboard h1, .clipper-live .clipper-dashboard .clipper-trouble { display: none; }
`;
