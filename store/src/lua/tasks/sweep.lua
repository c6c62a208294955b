-- What time brings: deadlines come near, tasks fall silent, finished jobs are forgotten. Of what needs decisions outside,
-- the sweep tells: deadlines that passed, schedules that are due, and what may not have been carried over to BullMQ.
-- ARGV: ..., stuck_after_ms, keep_ms, jobs to keep, how many of each at most, audit_after_ms, carry_after_us,
--       renew_files_after_ms
-- OK: now_us, owed, deadlines, schedules and when each was due, owed for long, to audit, whose files to renew, how many
--     were forgotten.
local most = tonumber(ARGV[6])

for _, root_id in ipairs(redis.call('ZRANGEBYSCORE', key('escalations'), '-inf', now, 'LIMIT', 0, most)) do
  redis.call('ZREM', key('escalations'), root_id)
  local ids = redis.call('LRANGE', key('parts:' .. root_id), 0, -1)
  if #ids == 0 then ids = {root_id} end
  for _, id in ipairs(ids) do
    local task = load(id)
    if task and not is_over(task) then
      redis.call('HSET', task_key(id), 'priority', 1, 'escalated', 1)
      if task.state == READY then owe(id) end
    end
  end
  log(root_id, 'escalated', root_id, 'd', 'its deadline is near')
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('quiet'), '-inf', now - ARGV[3], 'LIMIT', 0, most)) do
  redis.call('ZREM', key('quiet'), id)
  local task = load(id)
  if task and task.state == RUNNING then
    redis.call('HSET', task_key(id), 'stuck', 1)
    log(task.root, 'stuck', id, 'w', task.worker, 'd', 'nothing was heard of it for long')
    notify('stuck', id)
  end
end

local function forget(id)
  redis.call('DEL', task_key(id), text_key(id), key('spec:' .. id), key('after:' .. id))
  redis.call('ZREM', key('dead'), id)
end

local finished = key('finished')
local too_many = redis.call('ZCARD', finished) - ARGV[5]
local oldest = redis.call('ZRANGE', finished, 0, math.min(most, 20) - 1, 'WITHSCORES')
local forgotten = 0
for i = 1, #oldest, 2 do
  if forgotten >= too_many and now - oldest[i + 1] < tonumber(ARGV[4]) then break end
  local root_id = oldest[i]
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. root_id), 0, -1)) do forget(id) end
  forget(root_id)
  redis.call('DEL', key('parts:' .. root_id), key('log:' .. root_id))
  redis.call('ZREM', finished, root_id)
  redis.call('ZREM', key('jobs'), root_id)
  forgotten = forgotten + 1
end

local ago = string.format('%.0f', now_us - ARGV[8])
local late = redis.call('ZRANGEBYSCORE', key('outbox'), '-inf', ago, 'LIMIT', 0, most)
local audit = redis.call('ZRANGEBYSCORE', key('ready'), '-inf', now - ARGV[7], 'LIMIT', 0, most)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('delayed'), '-inf', now - ARGV[7], 'LIMIT', 0, most)) do
  audit[#audit + 1] = id
end
local leased = redis.call('ZRANGEBYSCORE', key('leased'), '-inf', now - ARGV[9], 'LIMIT', 0, most)
for _, id in ipairs(leased) do redis.call('ZADD', key('leased'), now, id) end
return answer(redis.call('ZRANGEBYSCORE', key('deadlines'), '-inf', now, 'LIMIT', 0, most),
  redis.call('ZRANGEBYSCORE', key('schedules'), '-inf', now, 'LIMIT', 0, most, 'WITHSCORES'), late, audit, leased,
  forgotten)
