// avro.mjs - decodes Avro files with another library, as JSON: node avro.mjs FILE…
import avro from 'avsc'

const long = avro.types.LongType.__with({
  fromBuffer: (b) => b.readBigInt64LE(),
  toBuffer: (n) => { const b = Buffer.alloc(8); b.writeBigInt64LE(BigInt(n)); return b },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (n) => typeof n === 'bigint',
  compare: (a, b) => (a === b ? 0 : a < b ? -1 : 1),
})

function read(path) {
  return new Promise((resolve, reject) => {
    const records = []
    const decoder = avro.createFileDecoder(path, { parseHook: (schema) => avro.Type.forSchema(schema, { registry: { long } }) })
    let header
    decoder.on('metadata', (type, codec, head) => {
      header = { codec, meta: Object.fromEntries(Object.entries(head.meta).map(([k, v]) => [k, v.toString()])) }
    })
    decoder.on('data', (record) => records.push(record)).on('end', () => resolve({ ...header, records })).on('error', reject)
  })
}

function plain(key, value) {
  const v = this[key]
  if (typeof v === 'bigint') return Number(v)
  if (Buffer.isBuffer(v)) return 'hex:' + v.toString('hex')
  return value
}

const files = []
for (const path of process.argv.slice(2)) files.push(await read(path))
process.stdout.write(JSON.stringify(files, plain))
