/* walk.mjs - a result read with one of npm's HTTP clients: node walk.mjs BASE CLIENT STATEMENT
 *
 * By the Link header from page to page, then every partition at once by number; both must be the same rows. Prints a
 * summary as JSON. Clients: fetch, undici (which leaves the decoding to its caller), axios, got, http (node's own).
 */
import http from 'node:http'
import { gunzipSync } from 'node:zlib'

const [base, name, statement] = process.argv.slice(2)

function decoded(bytes, encoding) {
  return JSON.parse(encoding === 'gzip' ? gunzipSync(bytes) : bytes)
}

function overHttp(method, url, body) {
  return new Promise((done, failed) => {
    const request = http.request(url, { method, headers: { 'content-type': 'application/json', 'accept-encoding': 'gzip' } }, (answer) => {
      const pieces = []
      answer.on('data', (piece) => pieces.push(piece))
      answer.on('end', () => done({
        status: answer.statusCode, link: answer.headers.link, encoding: answer.headers['content-encoding'],
        json: decoded(Buffer.concat(pieces), answer.headers['content-encoding']),
      }))
      answer.on('error', failed)
    })
    request.on('error', failed)
    request.end(body)
  })
}

const clients = {
  http: async () => overHttp,
  fetch: async () => async (method, url, body) => {
    const answer = await fetch(url, { method, body, headers: { 'content-type': 'application/json' } })
    return { status: answer.status, link: answer.headers.get('link'), encoding: answer.headers.get('content-encoding'), json: await answer.json() }
  },
  undici: async () => {
    const { request } = await import('undici')
    return async (method, url, body) => {
      const answer = await request(url, { method, body, headers: { 'content-type': 'application/json' } })
      const encoding = answer.headers['content-encoding']
      return { status: answer.statusCode, link: answer.headers.link, encoding, json: decoded(Buffer.from(await answer.body.arrayBuffer()), encoding) }
    }
  },
  axios: async () => {
    const { default: axios } = await import('axios')
    return async (method, url, body) => {
      const answer = await axios.request({ method, url, data: body, headers: { 'content-type': 'application/json' }, validateStatus: () => true })
      return { status: answer.status, link: answer.headers.link, encoding: answer.headers['content-encoding'], json: answer.data }
    }
  },
  got: async () => {
    const { default: got } = await import('got')
    return async (method, url, body) => {
      const answer = await got(url, { method, body, headers: { 'content-type': 'application/json' }, throwHttpErrors: false, retry: { limit: 0 } })
      return { status: answer.statusCode, link: answer.headers.link, encoding: answer.headers['content-encoding'], json: JSON.parse(answer.body) }
    }
  },
}

function rels(link) {
  return Object.fromEntries([...link.matchAll(/<([^>]+)>; *rel="(\w+)"/g)].map(([, url, rel]) => [rel, url]))
}

function must(holds, what) {
  if (!holds) throw new Error(what)
}

const ask = await clients[name]()
const first = await ask('POST', `${base}/api/v2/statements`, JSON.stringify({ statement }))
must(first.status === 200, JSON.stringify(first.json))
const rows = [...first.json.data]
let pages = 1
for (let next = rels(first.link).next; next;) {
  const page = await ask('GET', base + next)
  must(page.status === 200 && Object.keys(page.json).join() === 'data', `${next}: ${page.status}`)
  for (const row of page.json.data) rows.push(row)
  next = rels(page.link).next
  pages++
}
const info = first.json.resultSetMetaData.partitionInfo
const numbered = await Promise.all(info.map((_, i) => ask('GET', `${base}/api/v2/statements/${first.json.statementHandle}?partition=${i}`)))
must(JSON.stringify(numbered.flatMap((p) => p.json.data)) === JSON.stringify(rows), 'partitions by number are other rows than those by Link')
must(numbered.every((p, i) => p.json.data.length === info[i].rowCount), 'a partition has other rows than it is said to have')
console.log(JSON.stringify({ client: name, rows: rows.length, pages, partitions: info.length, first: rows[0], last: rows[rows.length - 1] }))
