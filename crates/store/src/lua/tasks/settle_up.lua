-- Takes off the outbox what was carried over. What was owed anew meanwhile stays.
-- ARGV: ..., then until when it was owed (in microseconds), what, and the state it was carried over in ('' for a message or
--       what was forgotten), in triples
-- OK: now_us, owed.
local outbox = key('outbox')

-- The record changed since, and a faster carrier may have been undone. One that a worker took since was where it belonged.
local function is_outdated(state, is)
  return is and is ~= state and is ~= RUNNING and is ~= COMPLETED
end

for i = 3, #ARGV, 3 do
  local what, state = ARGV[i + 1], ARGV[i + 2]
  local since = redis.call('ZSCORE', outbox, what)
  local record = state ~= '' and redis.call('HMGET', task_key(what), 'state', 'queue', 'job', 'started') or {}
  if record[4] and record[1] == state and (state == READY or state == DELAYED) then
    -- Whoever takes the job next says who it is, or nobody.
    redis.call('HDEL', SLOT .. record[2] .. ':' .. (record[3] or what), 'pb')
  end
  if is_outdated(state, record[1]) then
    if not since then redis.call('ZADD', outbox, now_us, what) end
  elseif since and tonumber(since) <= tonumber(ARGV[i]) then
    redis.call('ZREM', outbox, what)
  end
end
return answer()
