// files.mjs - fetch() for file: URLs, as readers of tables use it: HEAD, GET and one Range.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

function cut(body, range) {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range)
  if (from === '') return body.subarray(body.length - Number(to))
  return body.subarray(Number(from), to === '' ? undefined : Number(to) + 1)
}

export async function fetchFile(url, options = {}) {
  let body
  try {
    body = await readFile(fileURLToPath(url))
  } catch {
    return new Response('', { status: 404 })
  }
  if (options.method === 'HEAD') return new Response(null, { headers: { 'content-length': String(body.length) } })
  const range = new Headers(options.headers).get('range')
  return range ? new Response(cut(body, range), { status: 206 }) : new Response(body)
}
