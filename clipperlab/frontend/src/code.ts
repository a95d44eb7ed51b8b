// The Python that goes into notebooks.

export const DEFAULT = 'default-cluster';

/** The Python that connects to a cluster. */
export function connecting(cluster: string): string {
  if (cluster === DEFAULT) {
    return 'from clipperlab import ClipperConnection\n\nconn = ClipperConnection()\nconn.connect()\nconn';
  }
  return (
    'from clipperlab import ClipperConnection, ProcessContainerManager\n\n' +
    `conn = ClipperConnection(ProcessContainerManager("${cluster}"))\nconn.connect()\nconn`
  );
}
