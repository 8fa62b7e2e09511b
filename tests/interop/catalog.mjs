// catalog.mjs - calls of an Iceberg REST client, their answers as JSON lines: node catalog.mjs BASE_URL [HEADER=VALUE…]
// Calls come on standard input, one a line: ["listTables", {"namespace":["s"]}]
import { createInterface } from 'node:readline'
import { IcebergRestCatalog } from 'iceberg-js'

const [baseUrl, ...headers] = process.argv.slice(2)
const given = Object.fromEntries(headers.map((h) => [h.slice(0, h.indexOf('=')), h.slice(h.indexOf('=') + 1)]))
const catalog = new IcebergRestCatalog({
  baseUrl,
  auth: given.token ? { type: 'bearer', token: given.token } : { type: 'none' },
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...(given.tenant && { 'X-Mayfly-Tenant': given.tenant }) } }),
})

for await (const line of createInterface({ input: process.stdin })) {
  const [method, ...args] = JSON.parse(line)
  let answer
  try {
    answer = { value: (await catalog[method](...args)) ?? null }
  } catch (e) {
    answer = { error: e.message, status: e.status, type: e.icebergType ?? e.type }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
