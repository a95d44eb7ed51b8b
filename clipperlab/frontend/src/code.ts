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
    '# It takes a list of inputs, and returns a list as long.\ndef total(inputs):\n' +
      '    return [sum(numbers) for numbers in inputs]\n\n\ncreate_endpoint(conn, "total", "doubles", func=total)',
    '# Any program may ask it over HTTP; this asks from here.\nconn.application("total").predict([1.0, 2.0, 3.0])',
    '# Somebody asks for a minute: look at it at work.\ninputs = [[1.0, 2.0], [3.0, 4.0]]\n' +
      'conn.load("total", inputs=inputs, rate=20, seconds=60)\nconn.panel()'
  ];
}
