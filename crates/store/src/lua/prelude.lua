-- What every script may use. A script answers {'OK', ...}, {'SAME', ...} if it did so before, or {REFUSAL, ...}.

-- What a script with named arguments ends with: a status, and the answer's named fields.
local function reply(status, fields) return {status, cmsgpack.pack(fields or {})} end

-- Milliseconds since the Unix epoch by Redis's clock, which leases and lifetimes are measured by.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Runs `effect` once for a request id. A repeated request gets the recorded answer; refusals are not recorded.
local function once(key, fingerprint, keep_ms, effect)
  local seen = redis.call('GET', key)
  if seen then
    local record = cmsgpack.unpack(seen)
    if record[1] ~= fingerprint then return {'REQUEST_ID_REUSED'} end
    record[2][1] = 'SAME'
    return record[2]
  end
  local answer = effect()
  if answer[1] == 'OK' then
    redis.call('SET', key, cmsgpack.pack({fingerprint, answer}), 'PX', keep_ms)
  end
  return answer
end

local function is_done(answer) return answer[1] == 'OK' or answer[1] == 'SAME' end

-- Nil if no token is given or the lock is held now with exactly this token; else the refusal. A lock's record goes
-- with its time, by Redis's own clock, so what is there is held.
local function fenced_out(lock_key, token)
  if token == '' then return nil end
  local held = redis.call('HMGET', lock_key, 'token', 'owner')
  if held[1] == token then return nil end
  return {'STALE_FENCE', held[1] or '', held[2] or ''}
end

-- How long the bookkeeping of a quiet namespace is kept: twice as long as anything in it can live, since it is
-- renewed when half of it is over.
local QUIET_MS = 62 * 24 * 3600 * 1000

local function linger(key)
  if redis.call('PTTL', key) < QUIET_MS / 2 then redis.call('PEXPIRE', key, QUIET_MS) end
end

-- The next version or token of a namespace, as a text: Lua would print so large a number in its short form. Never used
-- twice, always growing. It follows the time in microseconds, so that a failover that loses the last of them does not
-- give them out again.
local function tick(clock_key)
  local time = redis.call('TIME')
  local version = math.max((redis.call('GET', clock_key) or 0) + 1, time[1] * 1000000 + time[2])
  local text = string.format('%.0f', version)
  redis.call('SET', clock_key, text, 'PX', QUIET_MS)
  return text
end

-- Adds to a history whose positions are the versions of its namespace's clock.
local function record(feed_key, version, keep, ...)
  redis.call('XADD', feed_key, 'MAXLEN', '~', keep, version .. '-0', ...)
  linger(feed_key)
end
