-- What every script may use. A script answers with `reply`: `OK`, `SAME` if an earlier request with the same id did it, or
-- the name of a refusal.

-- The answer of a script with named arguments: a status and, if there are any, named fields. A field that is nil is left out;
-- a table without entries arrives as a list without items.
local function reply(status, fields)
  if fields then return {status, cmsgpack.pack(fields)} end
  return {status}
end

-- The time of Redis's clock, {seconds, microseconds}: one for a whole run of a script.
local run_time
local function clock_time()
  run_time = run_time or redis.call('TIME')
  return run_time
end

-- Milliseconds since the Unix epoch by Redis's clock, the only clock of leases and lifetimes.
local function now_ms()
  local time = clock_time()
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The answer that `once` recorded under a request id, marked as repeated; the refusal if the id stands for another request;
-- nil if nothing is recorded.
local function recorded(key, fingerprint)
  local seen = redis.call('GET', key)
  if not seen then return nil end
  local record = cmsgpack.unpack(seen)
  if record[1] ~= fingerprint then return reply('REQUEST_ID_REUSED') end
  record[2][1] = 'SAME'
  return record[2]
end

-- Runs `effect` once for a request id. A repeated request gets the recorded answer; refusals are not recorded.
local function once(key, fingerprint, keep_ms, effect)
  local before = recorded(key, fingerprint)
  if before then return before end
  local answer = effect()
  if answer[1] == 'OK' then
    redis.call('SET', key, cmsgpack.pack({fingerprint, answer}), 'PX', keep_ms)
  end
  return answer
end

local function is_done(answer) return answer[1] == 'OK' or answer[1] == 'SAME' end

-- Nil if no token is given, or if the lock is held with exactly this token; else the refusal. Redis deletes a lock's record
-- at the lock's end, so a record that exists proves a holder.
local function fenced_out(lock_key, token)
  if not token then return nil end
  local holder = redis.call('HMGET', lock_key, 'token', 'owner')
  if holder[1] == token then return nil end
  return reply('STALE_FENCE', {token = holder[1] or nil, owner = holder[2] or nil})
end

-- How long the bookkeeping of a quiet namespace is kept: twice as long as anything in it can live, since its end is
-- moved only when half of the time is over.
local QUIET_MS = 62 * 24 * 3600 * 1000

-- Whether the key's end was moved.
local function linger(key)
  if redis.call('PTTL', key) >= QUIET_MS / 2 then return false end
  redis.call('PEXPIRE', key, QUIET_MS)
  return true
end

-- The next version or token of a namespace, as a text: Lua would print so large a number in its short form. It is never used
-- twice and always grows. It follows the time in microseconds, so a failover that loses the last ones does not hand them out
-- again.
local function tick(clock_key)
  local time = clock_time()
  local version = math.max((redis.call('GET', clock_key) or 0) + 1, time[1] * 1000000 + time[2])
  local text = string.format('%.0f', version)
  redis.call('SET', clock_key, text, 'PX', QUIET_MS)
  return text
end

-- Adds an event to a history, whose positions are the versions of its namespace's clock, and leaves its end as it is.
local function append(history_key, version, keep, ...)
  redis.call('XADD', history_key, 'MAXLEN', '~', keep, version .. '-0', ...)
end

-- Adds an event to a history, which is kept.
local function record(history_key, version, keep, ...)
  append(history_key, version, keep, ...)
  linger(history_key)
end
