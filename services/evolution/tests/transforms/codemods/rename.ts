// A transform in TypeScript, with an option.
import type { API, FileInfo } from 'jscodeshift';

export const parser = 'tsx';

export default function transform(file: FileInfo, { j }: API, options: { from: string; to: string }): string {
  return j(file.source).find(j.CallExpression, { callee: { name: options.from } })
    .forEach((path) => { (path.node.callee as { name: string }).name = options.to; }).toSource();
}
