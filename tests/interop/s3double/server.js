// server.js - an S3-compatible server for tests: node server.js
//
// The protocol and the check of signatures are @20minutes/s3rver's. Its folder
// of objects is replaced by a map, which lists in the order of bytes and
// honours If-None-Match: * and If-Match on PUT; unsigned requests are refused.
// Bucket "test", keys S3RVER / S3RVER. Writes its port as the first line, and
// ends with its standard input. Each line read there is a command, answered "ok":
//
//   refuse N   the next N requests get 503
//   lose N     the next N PUTs are carried out, but their answer is not sent
//   lost       answered with the number of those so far
//   blind      conditions are ignored from now on
//   see        … are honoured again
//   away       connections are refused from now on
//   back       … are accepted again
//   objects    answered with what the bucket has at one moment, as JSON: key to text, of Parquet to null
'use strict';

const { AsyncLocalStorage } = require('node:async_hooks');
const crypto = require('node:crypto');
const { Readable } = require('node:stream');
const readline = require('node:readline');

// s3rver ciphers its tokens with DES, which OpenSSL 3 does not have any more.
for (const name of ['createCipheriv', 'createDecipheriv']) {
  const real = crypto[name];
  crypto[name] = (cipher, key, iv) =>
    cipher === 'des' ? real('aes-128-cbc', Buffer.concat([key, key]), Buffer.concat([iv, iv])) : real(cipher, key, iv);
}
const S3rver = require('@20minutes/s3rver');
const S3Error = require('@20minutes/s3rver/lib/models/error');
const S3Bucket = require('@20minutes/s3rver/lib/models/bucket');
const S3Object = require('@20minutes/s3rver/lib/models/object');

const request = new AsyncLocalStorage();
const faults = { refuse: 0, lose: 0, lost: 0, blind: false };

class MapStore {
  buckets = new Map();
  born = new Date();

  async getBucket(name) {
    return this.buckets.has(name) ? new S3Bucket(name, this.born) : null;
  }

  async putBucket(name) {
    if (!this.buckets.has(name)) this.buckets.set(name, new Map());
    return this.getBucket(name);
  }

  async getSubresource() {
    return undefined;
  }

  async existsObject(bucket, key) {
    return this.buckets.get(bucket).has(key);
  }

  async getObject(bucket, key, options = {}) {
    const there = this.buckets.get(bucket)?.get(key);
    if (!there) return null;
    const last = there.bytes.length - 1;
    const range = { start: options.start || 0, end: Math.min(options.end ?? Infinity, last) };
    const ranged = options.start !== undefined || options.end !== undefined;
    const outside = ranged && range.start > range.end;
    const part = there.bytes.subarray(range.start, range.end + 1);
    const object = new S3Object(bucket, key, outside ? null : Readable.from([part]), there.metadata);
    if (ranged) object.range = range;
    return object;
  }

  async putObject(object) {
    const { bucket, key, content } = object;
    const pieces = [];
    for await (const piece of content instanceof Buffer ? [content] : content) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const md5 = crypto.createHash('md5').update(bytes).digest('hex');
    const objects = this.buckets.get(bucket);
    // From here to the end nothing waits: of two that race, one is first.
    this.check(request.getStore(), objects.get(key));
    objects.set(key, {
      bytes,
      metadata: {
        ...object.metadata,
        etag: JSON.stringify(md5),
        'content-length': bytes.length,
        'last-modified': new Date().toUTCString(),
      },
    });
    return { size: bytes.length, md5 };
  }

  check({ noneMatch, match }, there) {
    if (faults.blind) return;
    if ((noneMatch === '*' && there) || (match && match !== there?.metadata.etag)) {
      throw Object.assign(
        new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold'),
        { status: 412 },
      );
    }
  }

  async deleteObject(bucket, key) {
    this.buckets.get(bucket).delete(key);
  }

  async listObjects(bucket, { delimiter = '', startAfter = '', prefix = '', maxKeys = Infinity }) {
    const objects = this.buckets.get(bucket);
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > startAfter);
    const beneath = (key) => (delimiter ? key.indexOf(delimiter, prefix.length) : -1);
    const plain = keys.filter((key) => beneath(key) < 0).sort((a, b) => (a < b ? -1 : 1)); // keys are ASCII
    return {
      objects: plain.slice(0, maxKeys).map((key) => new S3Object(bucket, key, null, objects.get(key).metadata)),
      commonPrefixes: [...new Set(keys.filter((k) => beneath(k) >= 0).map((k) => k.slice(0, beneath(k) + 1)))].sort(),
      isTruncated: plain.length > maxKeys,
    };
  }
}

const server = new S3rver({ address: '127.0.0.1', port: 0, silent: true, vhostBuckets: false, directory: '/nonexistent' });
server.store = server.context.store = new MapStore();
server.middleware.unshift(async (ctx, next) => {
  if (faults.refuse > 0) {
    faults.refuse--;
    throw Object.assign(new S3Error('SlowDown', 'Please reduce your request rate.'), { status: 503 });
  }
  if (!ctx.get('authorization')) {
    throw Object.assign(new S3Error('AccessDenied', 'Access Denied'), { status: 403 });
  }
  await request.run({ noneMatch: ctx.get('if-none-match'), match: ctx.get('if-match') }, next);
  if (ctx.method === 'PUT' && faults.lose > 0) {
    faults.lose--;
    faults.lost++;
    ctx.respond = false;
    ctx.req.socket.destroy();
  }
});

const commands = {
  refuse: (n) => void (faults.refuse = Number(n)),
  lose: (n) => void (faults.lose = Number(n)),
  lost: () => String(faults.lost),
  blind: () => void (faults.blind = true),
  see: () => void (faults.blind = false),
  away: () =>
    new Promise((resolve) => {
      const { port } = server.httpServer.address();
      server.httpServer.removeAllListeners('close'); // s3rver ends its log there
      server.httpServer.close(() => resolve(void (faults.port = port)));
      server.httpServer.closeAllConnections();
    }),
  back: () => new Promise((resolve) => server.httpServer.listen(faults.port, '127.0.0.1', () => resolve())),
  objects: () => {
    const text = ([key, { bytes }]) => [key, key.endsWith('.parquet') ? null : bytes.toString()];
    return JSON.stringify(Object.fromEntries([...server.store.buckets.get('test')].map(text).sort()));
  },
};

async function main() {
  await server.store.putBucket('test');
  const { port } = await server.run();
  console.log(port);
  readline
    .createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const [command, argument] = line.split(' ');
      console.log((await commands[command](argument)) ?? 'ok');
    })
    .on('close', () => process.exit(0));
}

main();
