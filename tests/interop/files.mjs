// files.mjs - fetch() for file: URLs, as readers of tables use it: HEAD, GET and one Range.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

function answer(status, headers, body) {
  return {
    ok: status < 400,
    status,
    headers: new Headers(headers),
    text: async () => body.toString('utf8'),
    json: async () => JSON.parse(body.toString('utf8')),
    arrayBuffer: async () => body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength),
  }
}

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
    return answer(404, {}, Buffer.alloc(0))
  }
  const length = { 'content-length': String(body.length) }
  if (options.method === 'HEAD') return answer(200, length, Buffer.alloc(0))
  const range = new Headers(options.headers).get('range')
  return range ? answer(206, {}, cut(body, range)) : answer(200, length, body)
}
