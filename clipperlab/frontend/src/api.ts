// The Jupyter server's extension, which forwards to the clusters.

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export interface IClusterInfo {
  name: string;
  state: 'running' | 'stopped' | 'silent' | 'broken' | 'none';
  message?: string;
  query?: string;
  management?: string;
}

export interface IApplication {
  name: string;
  input_type: string;
  default_output: unknown;
  latency_slo_micros: number;
  linked_models: string[];
  policy: IPolicy | null;
  feedback: object | null;
}

/** As management has it: a split has weights, all others have arms. */
export interface IPolicy {
  kind: 'split' | 'vote' | 'cascade' | 'greedy' | 'ucb' | 'thompson' | 'exp3' | 'lints';
  weights?: Record<string, number>;
  learned?: boolean;
  sticky?: string | null;
  arms?: string[];
  below?: number;
}

/** A model's last one. */
export interface IRollout {
  model: string;
  control: string;
  canary: string;
  steps: number[];
  state: 'running' | 'paused' | 'passed' | 'failed' | 'aborted';
  step: number;
  share: number;
  verdict: string;
  ended_at: number | null;
}

/** A model's last one; `agreement` is a share of what was `compared`. */
export interface IShadow {
  model: string;
  version: string;
  state: 'running' | 'stopped' | 'promoted';
  fraction: number;
  seen: { compared: number; agreement: number | null };
}

/** By what a cluster can be asked, and where. */
export interface IProtocol {
  name: string;
  state: 'on' | 'off' | 'starting' | 'failed';
  rest: string | null;
  grpc: string | null;
  trouble: string | null;
}

export interface IVersion {
  model_name: string;
  model_version: string;
  state: string;
  error: string | null;
  warnings: string[];
  num_replicas: number;
  ready_replicas: number;
  autoscaling: number[] | null;
  cpu_percent: number | null;
  artifact: string | null;
  is_current_version: boolean;
  is_rolled_back_to: boolean;
}

export interface IEvent {
  id: number;
  at: number;
  kind: string;
  text: string;
  subject: Record<string, string>;
}

export interface IPoint {
  id: number;
  at: number;
  applications: Record<string, { answers: Record<string, number>; p99_ms: number | null; arms: Record<string, unknown> }>;
  versions: Record<string, { asked: number; waiting: number; utilisation: number | null }>;
}

export interface IOverview {
  cluster: { cluster_name: string; query: string; management: string; warnings: string[] };
  applications: IApplication[];
  models: IVersion[];
  rollouts: IRollout[];
  shadows: IShadow[];
  protocols: IProtocol[];
  events: IEvent[];
  points: IPoint[];
}

export const settings = ServerConnection.makeSettings();

/** The response to a request under `clipperlab`. Rejects with a sentence that says what to do. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const url = URLExt.join(settings.baseUrl, 'clipperlab', path);
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
  } catch {
    throw new Error('The Jupyter server does not answer. It is asked again by and by.');
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    // What is ours has the name of an error in it, and a sentence. The server's own has a word or two.
    throw new Error(body.error ? body.message : said(response.status, path));
  }
  return response;
}

function said(status: number, path: string): string {
  if (status === 403) {
    return 'The Jupyter server lets this page in no more. Reload it, and log in.';
  }
  if (status === 404 && path === 'clusters') {
    return (
      'The Jupyter server runs without the extension clipperlab. Where it runs, ' +
      'pip install "clipperlab[lab]", and start it again.'
    );
  }
  return `The Jupyter server answered ${status} to ${path}. Its log tells more.`;
}

export async function ask<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
  const json = { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const response = await request(path, { method, ...(body === undefined ? {} : json) });
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Call `onEvent` when something happens in the cluster, until `signal` says to stop or the stream ends. */
export async function follow(cluster: string, signal: AbortSignal, onEvent: () => void): Promise<void> {
  const response = await request(`clusters/${cluster}/api/events/stream`, { signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined));
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const messages = (rest + value).split('\n\n');
    rest = messages.pop()!;
    if (messages.some(message => message.includes('data:'))) {
      onEvent();
    }
  }
}
