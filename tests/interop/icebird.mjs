// icebird.mjs - reads a table by its folder's URL, as JSON: node icebird.mjs URL [SNAPSHOT_METADATA_FILE]
// Numbers over 53 bits are texts, times are ISO texts, bytes are hexadecimal.
import { icebergMetadata, icebergRead } from 'icebird'
import { fetchFile } from './files.mjs'

globalThis.fetch = fetchFile

function plain(key, value) {
  const v = this[key]
  if (typeof v === 'bigint') return v <= Number.MAX_SAFE_INTEGER && v >= -Number.MAX_SAFE_INTEGER ? Number(v) : String(v)
  if (v instanceof Date) return Number.isNaN(v.getTime()) ? 'bad date' : v.toISOString()
  if (v instanceof Uint8Array) return 'hex:' + Buffer.from(v).toString('hex')
  if (typeof v === 'number' && !Number.isFinite(v)) return String(v)
  if (Object.is(v, -0)) return '-0'
  if (v instanceof Map) return Object.fromEntries(v)
  return value
}

const [tableUrl, metadataFileName] = process.argv.slice(2)
const metadata = await icebergMetadata({ tableUrl, metadataFileName })
const rows = await icebergRead({ tableUrl, metadata })
process.stdout.write(JSON.stringify({ version: metadata['format-version'], rows }, plain))
