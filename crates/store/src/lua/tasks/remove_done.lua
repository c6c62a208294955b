-- Removes from the outbox what the relay did. An entry that was added anew meanwhile stays.
-- args: entries: decided_us, what, and of a task the state that the relay saw ('' for a message or a forgotten task)
local outbox_key = key('outbox')

-- The record changed after the relay saw it, so a faster relay may have been undone. A job that a worker took since is
-- where it belongs.
local function is_outdated(seen, state)
  return state and state ~= seen and state ~= RUNNING and state ~= COMPLETED
end

for _, entry in ipairs(args.entries) do
  local what, seen = entry.what, entry.state
  local since = redis.call('ZSCORE', outbox_key, what)
  if string.find(what, ' ', 1, true) then redis.call('ZREM', key('owed'), what) end
  local record = seen ~= '' and redis.call('HMGET', task_key(what), 'state', 'queue', 'job', 'started') or {}
  local state, queue, job, started = unpack(record, 1, 4)
  if started and state == seen and (state == READY or state == DELAYED) then
    -- The next taker of the job sets its own name, or none.
    redis.call('HDEL', args.slot .. queue .. ':' .. (job or what), 'pb')
  end
  if is_outdated(seen, state) then
    if not since then redis.call('ZADD', outbox_key, now_us, what) end
  elseif since and tonumber(since) <= entry.decided_us then
    redis.call('ZREM', outbox_key, what)
  end
end
return answer({})
