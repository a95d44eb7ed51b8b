// The Python that goes into notebooks.

export const DEFAULT = 'default-cluster';

function connection(cluster: string): string {
  return cluster === DEFAULT ? 'ClipperConnection()' : `ClipperConnection("${cluster}")`;
}

/** Connects to a cluster. */
export function connecting(cluster: string): string {
  return `from clipperlab import ClipperConnection\n\nconn = ${connection(cluster)}\nconn.connect()\nconn`;
}

/** The cells of a notebook to begin with: deploy a function to the cluster, ask it, see it. The first is a text. */
export function beginning(cluster: string): string[] {
  return [
    '# Serve a function\n\n*Shift+Enter* runs a cell and goes to the next. The first one connects to the cluster ' +
      `\`${cluster}\`, and starts it where it does not run.`,
    'from clipperlab import ClipperConnection\nfrom clipperlab.deployers.python import create_endpoint\n\n' +
      `conn = ${connection(cluster)}\nconn.start_clipper(exist_ok=True)`,
    'def total(inputs):  # a list of inputs, each of them a list of numbers\n' +
      '    return [sum(numbers) for numbers in inputs]\n\n\n' +
      'create_endpoint(conn, "total", "doubles", func=total, default_output=-1, example_input=[1.0, 2.0])',
    'conn.application("total").predict([1.0, 2.0, 3.0])',
    'conn.load("total", rate=20, seconds=60, inputs=[[1.0, 2.0], [3.0, 4.0]])  # somebody asks, for a minute\n' +
      'conn.panel()'
  ];
}
