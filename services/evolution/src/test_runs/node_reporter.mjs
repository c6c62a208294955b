// A reporter of Node's test runner: one JSON object a line, as far as a verdict needs it.
const kinds = new Set(['enqueue', 'complete', 'start', 'pass', 'fail', 'plan', 'diagnostic', 'stderr']);

export default async function* report(source) {
  for await (const event of source) {
    const kind = event.type.slice('test:'.length);
    if (!kinds.has(kind)) continue;
    const data = event.data ?? {};
    const error = data.details?.error;
    const cause = error?.cause;
    const text = error ? String(cause?.stack ?? cause?.message ?? cause ?? error.message) : data.message;
    yield `${JSON.stringify({
      kind,
      name: data.name ?? '',
      nesting: data.nesting ?? 0,
      file: data.file ?? '',
      is_suite: data.details?.type === 'suite',
      is_skipped: data.skip !== undefined || data.todo !== undefined,
      message: String(text ?? '').slice(0, 2000),
      failure_type: error?.failureType ?? '',
    })}\n`;
  }
}
