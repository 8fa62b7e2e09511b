/* store_redis_scripts.c - what changes statements in Redis: one Lua script a move.
 *
 * A full Redis refuses a script at its first write or not at all; where a move
 * makes room, that is a write that it lets through. A key of another type ends a
 * script where it meets it: the statement's own hash is written after all others,
 * so that it has moved wholly or not at all. Every call within a script costs as
 * much as a command: what can be left to the renewals is not done here. Numbers
 * are passed on as the text that they came as: Redis would print them anew.
 */
#include "statement/store_redis_int.h"

/* A key of many statements lives as long as its longest; it is moved seldom. */
#define KEEP \
	"local function keep(key, ms) " \
	"  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, tonumber(ms) + 3600000) end " \
	"end "

/* Leaves of a statement what tells that it was there; returns whether that is new, and how many partitions went; nil for a key
 * of another type. */
#define CLEAR \
	"local function clear(base, prefix, tenant, handle, why, ms) " \
	"  local key = base .. 'statement:' .. handle " \
	"  local h = redis.pcall('HMGET', key, 'session_id', 'owner', 'parts', 'gone') " \
	"  if h.err then return nil end " \
	"  local n = math.min(math.floor(tonumber(h[3]) or 1), 262144) " /* not said of one */ \
	"  for i = 0, n - 1, 500 do " \
	"    local keys = {} " \
	"    for k = i, math.min(i + 499, n - 1) do keys[#keys + 1] = base .. 'result:' .. handle .. ':' .. k end " \
	"    redis.call('UNLINK', unpack(keys)) " \
	"  end " \
	"  redis.call('HDEL', key, 'sql', 'result_metadata', 'error_message', 'error_code', 'parts', 'cancel') " \
	"  if why == 'dropped' then redis.call('HDEL', key, 'status') end " \
	"  redis.call('HSET', key, 'handle', handle, 'tenant', tenant, 'gone', why) " \
	"  redis.call('PEXPIRE', key, ms) " \
	"  redis.pcall('ZREM', base .. 'index', handle) " \
	"  redis.pcall('ZREM', base .. 'ended', handle) " \
	"  if h[1] and #h[1] > 0 then " \
	"    redis.pcall('SREM', base .. 'session:' .. h[1] .. ':statements', handle) " \
	"    redis.pcall('ZREM', base .. 'session:' .. h[1] .. ':live', handle) " \
	"  end " \
	"  if h[2] then redis.pcall('SREM', prefix .. 'owner:' .. h[2] .. ':running', tenant .. ' ' .. handle) end " \
	"  return not h[4], n " \
	"end "

#define RUNNING_SCORE "9007199254740991" /* later than any time */

/* keys: statement, index, ended, running, tenants [, session's set, live, closed]
 * args: now, handle, tenant, most of the tenant, of the session, RUNNING_MS, detached, owner, sql, created_at, status,
 * result_metadata, other fields…
 * What may be of another type is written before the statement: one that is left over of it is tidied away. */
static const char add[] =
	"if redis.call('EXISTS', KEYS[1]) == 1 then return 'exists' end "
	"local most = tonumber(ARGV[4]) "
	"if most > 0 then "
	"  local n = redis.call('ZCARD', KEYS[2]) "
	"  if n >= most and n - redis.call('ZCOUNT', KEYS[3], '-inf', ARGV[1]) >= most then return 'tenant' end "
	"end "
	"local ms, named = tonumber(ARGV[6]), ARGV[7] == '0' "
	"if KEYS[6] then "
	"  if redis.call('EXISTS', KEYS[8]) == 1 then return 'closed' end "
	"  most = tonumber(ARGV[5]) "
	"  if most > 0 and redis.call('ZCOUNT', KEYS[7], '(' .. ARGV[1], '+inf') >= most then return 'session' end "
	"  redis.call('ZADD', KEYS[7], '" RUNNING_SCORE "', ARGV[2]) "
	"  if named then redis.call('SADD', KEYS[6], ARGV[2]) end "
	"end "
	"redis.call('ZADD', KEYS[2], '0', ARGV[2]) "
	"redis.call('SADD', KEYS[4], ARGV[3] .. ' ' .. ARGV[2]) "
	"redis.call('HSET', KEYS[1], 'handle', ARGV[2], 'tenant', ARGV[3], 'owner', ARGV[8], 'sql', ARGV[9], 'created_at', ARGV[10], "
	"  'status', ARGV[11], 'result_metadata', ARGV[12], unpack(ARGV, 13)) "
	"redis.call('PEXPIRE', KEYS[1], ARGV[6]) "
	"if redis.call('PTTL', KEYS[2]) < ms then " /* now and then, and for the first */
	KEEP
	"  redis.call('SADD', KEYS[5], ARGV[3]) "
	"  keep(KEYS[2], ms) keep(KEYS[3], ms) keep(KEYS[5], ms) "
	"end "
	"if KEYS[6] and redis.call('PTTL', named and KEYS[6] or KEYS[7]) < ms then "
	"  local old = redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', ARGV[1], 'LIMIT', 0, 1000) "
	"  if #old > 0 then redis.call('ZREM', KEYS[7], unpack(old)) redis.call('SREM', KEYS[6], unpack(old)) end "
	KEEP
	"  keep(KEYS[6], ms) keep(KEYS[7], ms) "
	"end "
	"return 'ok'";

/* keys: statement. args: started_at */
static const char started[] =
	"local h = redis.call('HMGET', KEYS[1], 'status', 'gone') "
	"if h[2] then return 'gone' end "
	"if h[1] == 'RUNNING' then return 'ok' end "
	"if h[1] ~= 'SUBMITTED' then return h[1] and 'ended' or 'absent' end "
	"redis.call('HSET', KEYS[1], 'status', 'RUNNING', 'started_at', ARGV[1]) "
	"return 'ok'";

/* keys: statement, index, ended, tenants, lease of its owner [, session's set, live, closed]
 * args: handle, tenant, owner, expires_at, time to live of the record, of a partition, P T:, staged:<id>:, how many are staged,
 * how many come with this, P, has all fields, detached, only without lease, who says so, words of fields, fields…, partitions… */
static const char end[] = KEEP
	"local h = redis.call('HMGET', KEYS[1], 'status', 'gone', 'owner') "
	"if h[2] then return 'gone' end "
	"local known, named, ms = h[1], ARGV[13] == '0', tonumber(ARGV[5]) "
	"if known and known ~= 'SUBMITTED' and known ~= 'RUNNING' then return 'ended' end "
	"if not known then "
	"  if redis.call('EXISTS', KEYS[1]) == 1 then return 'damaged' end "
	"  if KEYS[6] and named and redis.call('EXISTS', KEYS[8]) == 1 then return 'gone' end "
	"  if ARGV[12] == '0' then return 'absent' end "
	"end "
	"if ARGV[14] == '1' and redis.call('EXISTS', KEYS[5]) == 1 then return 'alive' end "
	"local nstaged, nparts, words = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[16]) "
	"for i = 0, nstaged - 1 do "
	"  if redis.call('EXISTS', ARGV[7] .. ARGV[8] .. i) == 0 then return 'lost' end "
	"end "
	"local function leave() "
	"  redis.pcall('SREM', ARGV[11] .. 'owner:' .. (h[3] or ARGV[3]) .. ':running', ARGV[2] .. ' ' .. ARGV[1]) "
	"end "
	"local leave_first = known and nstaged + nparts == 0 " /* an end without a result is for a full Redis, too */
	"if leave_first then leave() end "
	"if KEYS[6] then "
	"  redis.call('ZADD', KEYS[7], ARGV[4], ARGV[1]) "
	"  if not known and named then redis.call('SADD', KEYS[6], ARGV[1]) end "
	"end "
	"redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1]) "
	"if not known then redis.call('ZADD', KEYS[2], '0', ARGV[1]) end "
	"redis.call('HSET', KEYS[1], unpack(ARGV, 17, 16 + words)) "
	"redis.call('PEXPIRE', KEYS[1], ARGV[5]) "
	"local result = ARGV[7] .. 'result:' .. ARGV[1] .. ':' "
	"for i = 0, nstaged - 1 do "
	"  redis.call('RENAME', ARGV[7] .. ARGV[8] .. i, result .. i) "
	"  redis.call('PEXPIRE', result .. i, ARGV[6]) "
	"end "
	"for i = 0, nparts - 1 do redis.call('SET', result .. i, ARGV[17 + words + i], 'PX', ARGV[6]) end "
	"if redis.call('PTTL', KEYS[3]) < ms then "
	"  redis.call('SADD', KEYS[4], ARGV[2]) "
	"  keep(KEYS[2], ms) keep(KEYS[3], ms) keep(KEYS[4], ms) "
	"end "
	"if KEYS[6] and redis.call('PTTL', named and KEYS[6] or KEYS[7]) < ms then "
	"  keep(KEYS[6], ms) keep(KEYS[7], ms) "
	"end "
	"if not leave_first then leave() end "
	"redis.call('PUBLISH', ARGV[11] .. 'changed', ARGV[2] .. ' ' .. ARGV[1] .. ' ' .. ARGV[15]) "
	"return 'ok'";

/* The usual end, of what its own server added: with fewer words. Anything else is `other`, and nothing has changed.
 * keys: statement, ended, owner's set of what runs, owners [, session's live, set]
 * args: handle, "T H", expires_at, time to live of the record, of a partition, who says so, detached, status, started_at,
 * completed_at, result_row_count, result_metadata, partitions…
 * Others are told where there are others: a server is among the owners before it listens, and looks for itself when it has
 * been taken out meanwhile. */
static const char finish[] =
	"local status = redis.call('HGET', KEYS[1], 'status') "
	"if status ~= 'SUBMITTED' and status ~= 'RUNNING' then return 'other' end "
	"if KEYS[5] then redis.call('ZADD', KEYS[5], ARGV[3], ARGV[1]) end "
	"redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) "
	"redis.call('HSET', KEYS[1], 'status', ARGV[8], 'started_at', ARGV[9], 'completed_at', ARGV[10], 'expires_at', ARGV[3], "
	"  'result_row_count', ARGV[11], 'result_metadata', ARGV[12]) "
	"if #ARGV > 13 then redis.call('HSET', KEYS[1], 'parts', #ARGV - 12) end "
	"redis.call('PEXPIRE', KEYS[1], ARGV[4]) "
	"local base = string.sub(KEYS[2], 1, -6) " /* without "ended" */
	"local result = base .. 'result:' .. ARGV[1] .. ':' "
	"for i = 13, #ARGV do redis.call('SET', result .. i - 13, ARGV[i], 'PX', ARGV[5]) end "
	"local ms = tonumber(ARGV[4]) "
	"if redis.call('PTTL', KEYS[2]) < ms then "
	KEEP
	"  local prefix = string.sub(KEYS[4], 1, -7) " /* without "owners" */
	"  redis.call('SADD', prefix .. 'tenants', string.match(ARGV[2], '^%S+')) "
	"  keep(base .. 'index', ms) keep(KEYS[2], ms) keep(prefix .. 'tenants', ms) "
	"end "
	"if KEYS[5] and redis.call('PTTL', ARGV[7] == '0' and KEYS[6] or KEYS[5]) < ms then "
	KEEP
	"  keep(KEYS[5], ms) keep(KEYS[6], ms) "
	"end "
	"redis.pcall('SREM', KEYS[3], ARGV[2]) "
	"if redis.pcall('SCARD', KEYS[4]) ~= 1 then "
	"  redis.call('PUBLISH', string.sub(KEYS[4], 1, -7) .. 'changed', ARGV[2] .. ' ' .. ARGV[6]) "
	"end "
	"return 'ok'";

/* keys: statement. args: principal, give, most, P, message. Grants are one text: length:principal, one after the other. */
static const char grant[] =
	"local h = redis.call('HMGET', KEYS[1], 'status', 'gone', 'grants') "
	"if h[2] then return h[2] end "
	"if not h[1] then return 'absent' end "
	"local text, at, kept, n = h[3] or '', 1, {}, 0 "
	"while at <= #text do "
	"  local colon = string.find(text, ':', at, true) "
	"  local size = colon and tonumber(string.sub(text, at, colon - 1)) "
	"  if not size or size < 0 or colon + size > #text then return 'damaged' end "
	"  local p = string.sub(text, colon + 1, colon + size) "
	"  if p ~= ARGV[1] then n = n + 1 kept[n] = size .. ':' .. p end "
	"  at = colon + size + 1 "
	"end "
	"if ARGV[2] == '1' then "
	"  if n >= tonumber(ARGV[3]) then return 'full' end "
	"  kept[n + 1] = #ARGV[1] .. ':' .. ARGV[1] "
	"end "
	"redis.call('HSET', KEYS[1], 'grants', table.concat(kept)) "
	"redis.call('PUBLISH', ARGV[4] .. 'changed', ARGV[5]) "
	"return 'ok'";

/* keys: statement. args: handle, tenant, P T:, P, tombstone's time to live, who says so */
static const char drop[] = CLEAR
	"local new = clear(ARGV[3], ARGV[4], ARGV[2], ARGV[1], 'dropped', ARGV[5]) "
	"if new == nil then return 'damaged' end "
	"if new then redis.call('PUBLISH', ARGV[4] .. 'changed', ARGV[2] .. ' ' .. ARGV[1] .. ' ' .. ARGV[6]) end "
	"return 'ok'";

/* keys: session's set, closed. args: tenant, P T:, P, tombstone's time to live, who says so, most at once */
static const char drop_session[] = CLEAR
	"local n, parts, bad = 0, 0, 0 "
	"redis.call('SCARD', KEYS[1]) "
	"while n < tonumber(ARGV[6]) and parts < 20000 do "
	"  local handle = redis.call('SPOP', KEYS[1]) "
	"  if not handle then break end "
	"  local new, gone = clear(ARGV[2], ARGV[3], ARGV[1], handle, 'dropped', ARGV[4]) "
	"  n = n + 1 "
	"  parts = parts + (gone or 0) "
	"  if new == nil then bad = bad + 1 end "
	"  if new then redis.call('PUBLISH', ARGV[3] .. 'changed', ARGV[1] .. ' ' .. handle .. ' ' .. ARGV[5]) end "
	"end "
	"redis.pcall('SET', KEYS[2], '1', 'PX', ARGV[4]) "
	"return {redis.call('SCARD', KEYS[1]), bad}";

/* keys: index, ended, tenants. args: tenant, P T:, P, now, tombstone's time to live, most at once; returns how many were due */
static const char expire[] = CLEAR
	"local now, parts = tonumber(ARGV[4]), 0 "
	"local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4], 'LIMIT', 0, ARGV[6]) "
	"for i, handle in ipairs(due) do "
	"  local h = redis.pcall('HMGET', ARGV[2] .. 'statement:' .. handle, 'status', 'expires_at', 'gone') "
	"  local at = not h.err and tonumber(h[2] or '') or 0 "
	"  if h.err or h[3] or not h[1] then "
	"    redis.call('ZREM', KEYS[1], handle) "
	"    redis.call('ZREM', KEYS[2], handle) "
	"  elseif h[1] == 'SUBMITTED' or h[1] == 'RUNNING' then "
	"    redis.call('ZREM', KEYS[2], handle) "
	"  elseif at > now then "
	"    redis.call('ZADD', KEYS[2], h[2], handle) "
	"  else "
	"    local _, n = clear(ARGV[2], ARGV[3], ARGV[1], handle, 'expired', math.max(1, at + tonumber(ARGV[5]) - now)) "
	"    parts = parts + (n or 0) "
	"    if parts > 20000 then return i end "
	"  end "
	"end "
	"if #due == 0 and redis.call('ZCARD', KEYS[1]) == 0 and redis.call('ZCARD', KEYS[2]) == 0 then "
	"  redis.call('SREM', KEYS[3], ARGV[1]) "
	"end "
	"return #due";

/* keys: index, ended. args: P T:, handles… whose records were not found */
static const char tidy[] =
	"for i = 2, #ARGV do "
	"  if redis.call('EXISTS', ARGV[1] .. 'statement:' .. ARGV[i]) == 0 then "
	"    redis.call('ZREM', KEYS[1], ARGV[i]) "
	"    redis.call('ZREM', KEYS[2], ARGV[i]) "
	"  end "
	"end "
	"return 'ok'";

/* keys: lease, running, owners. args: owner, LEASE_MS, RUNNING_MS, P, cursor; returns the next cursor, what to cancel, and
 * whether nothing was known of the owner */
static const char renew[] = KEEP
	"redis.call('PEXPIRE', KEYS[1], ARGV[2]) "
	"redis.call('SET', KEYS[1], '1', 'PX', ARGV[2]) "
	"redis.call('SADD', KEYS[3], ARGV[1]) "
	"local new = redis.call('SADD', KEYS[2], '.') " /* so that it never is empty, and keeps its time to live */
	"keep(KEYS[2], ARGV[3]) keep(KEYS[3], ARGV[3]) "
	"local cancel, scan = {}, redis.call('SSCAN', KEYS[2], ARGV[5], 'COUNT', 200) "
	"for _, member in ipairs(scan[2]) do "
	"  local tenant, handle = string.match(member, '^(%S+) (%S+)$') "
	"  local base = ARGV[4] .. (tenant or '') .. ':' "
	"  local key = base .. 'statement:' .. (handle or '') "
	"  local h = redis.pcall('HMGET', key, 'status', 'session_id', 'cancel') "
	"  if h.err or (h[1] ~= 'SUBMITTED' and h[1] ~= 'RUNNING') then "
	"    if member ~= '.' then redis.call('SREM', KEYS[2], member) end "
	"  else "
	"    redis.call('PEXPIRE', key, ARGV[3]) "
	"    keep(base .. 'index', ARGV[3]) keep(base .. 'ended', ARGV[3]) keep(ARGV[4] .. 'tenants', ARGV[3]) "
	"    if h[2] then "
	"      keep(base .. 'session:' .. h[2] .. ':statements', ARGV[3]) keep(base .. 'session:' .. h[2] .. ':live', ARGV[3]) "
	"    end "
	"    if h[3] then cancel[#cancel + 1] = member end "
	"  end "
	"end "
	"return {scan[1], cancel, new}";

/* keys: statement, lease of its owner. args: channel of its owner, message */
static const char cancel[] =
	"local h = redis.call('HMGET', KEYS[1], 'status', 'gone') "
	"if h[2] or not h[1] then return 'absent' end "
	"if h[1] ~= 'SUBMITTED' and h[1] ~= 'RUNNING' then return 'ended' end "
	"if redis.call('EXISTS', KEYS[2]) == 0 then return 'lost' end "
	"local kept = redis.pcall('HSET', KEYS[1], 'cancel', '1') "
	"local heard = redis.call('PUBLISH', ARGV[1], ARGV[2]) "
	"return (heard > 0 or type(kept) == 'number') and 'ok' or 'deaf'";

const char *const store_redis_scripts[SCRIPTS] = {
	[SCRIPT_ADD] = add,
	[SCRIPT_STARTED] = started,
	[SCRIPT_END] = end,
	[SCRIPT_FINISH] = finish,
	[SCRIPT_GRANT] = grant,
	[SCRIPT_DROP] = drop,
	[SCRIPT_DROP_SESSION] = drop_session,
	[SCRIPT_EXPIRE] = expire,
	[SCRIPT_TIDY] = tidy,
	[SCRIPT_RENEW] = renew,
	[SCRIPT_CANCEL] = cancel,
};
