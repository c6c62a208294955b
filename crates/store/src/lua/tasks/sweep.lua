-- What time brings: tasks become ready, deadlines come near, tasks fall silent, finished jobs are forgotten. Of what needs
-- decisions outside, the sweep tells: deadlines that passed, schedules that are due, and what BullMQ may not know.
-- ARGV: ..., stuck_after_ms, keep_ms, jobs to keep, how many of each at most, audit_after_ms, carry_after_us,
--       renew_files_after_ms
-- OK: now_us, owed, deadlines, schedules and when each was due, owed for long, tasks that BullMQ lost, whose files to
--     renew, how many jobs were forgotten.
local most = tonumber(ARGV[6])

-- What is due in a set; of `load_due`, the records, without those that a failover lost.
local function due(name, until_when)
  return redis.call('ZRANGEBYSCORE', key(name), '-inf', until_when, 'LIMIT', 0, most)
end

local function load_due(name, until_when)
  local tasks = {}
  for _, id in ipairs(due(name, until_when)) do
    local task = load(id)
    if task then tasks[#tasks + 1] = task else redis.call('ZREM', key(name), id) end
  end
  return tasks
end

for _, task in ipairs(load_due('delayed', now)) do
  enter(task, READY, 'ready', now)
  log(task.root, 'ready', task.id)
  owe(task.id)
end

for _, root_id in ipairs(due('escalations', now)) do
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

for _, task in ipairs(load_due('quiet', now - ARGV[3])) do
  redis.call('ZREM', key('quiet'), task.id)
  redis.call('HSET', task_key(task.id), 'stuck', 1)
  log(task.root, 'stuck', task.id, 'w', task.worker, 'd', 'nothing was heard of it for long')
  notify('stuck', task)
end

-- A task that is over goes with the job that BullMQ kept of it.
local function forget(id)
  local record = redis.call('HMGET', task_key(id), 'queue', 'job')
  if record[1] then
    local queue, job = SLOT .. record[1] .. ':', record[2] or id
    redis.call('ZREM', queue .. 'completed', job)
    redis.call('ZREM', queue .. 'failed', job)
    redis.call('DEL', queue .. job, queue .. job .. ':logs', key('job:' .. record[1] .. ':' .. job))
  end
  redis.call('DEL', task_key(id), text_key(id), key('spec:' .. id), key('after:' .. id))
  redis.call('ZREM', key('dead'), id)
  redis.call('ZREM', key('outbox'), id)
end

local finished = key('finished')
local too_many = redis.call('ZCARD', finished) - ARGV[5]
local forgotten, tasks = 0, 0
while tasks < most * 5 do
  local oldest = redis.call('ZRANGE', finished, 0, 0, 'WITHSCORES')
  if not oldest[1] or (forgotten >= too_many and now - oldest[2] < tonumber(ARGV[4])) then break end
  local root_id = oldest[1]
  local ids = redis.call('LRANGE', key('parts:' .. root_id), 0, -1)
  ids[#ids + 1] = root_id
  for _, id in ipairs(ids) do forget(id) end
  redis.call('DEL', key('parts:' .. root_id), key('log:' .. root_id))
  redis.call('ZREM', finished, root_id)
  redis.call('ZREM', key('jobs'), root_id)
  forgotten, tasks = forgotten + 1, tasks + #ids
end

-- What was told once goes behind the rest, so that what cannot be carried over keeps nobody waiting.
local late = due('outbox', string.format('%.0f', now_us - ARGV[8]))
for _, what in ipairs(late) do redis.call('ZADD', key('outbox'), now_us, what) end

-- A ready task whose job is in no queue, or with nobody, was lost on the way. Each is looked for now and then.
local lost = {}
for _, id in ipairs(due('ready', now - ARGV[7])) do
  redis.call('ZADD', key('ready'), now, id)
  local record = redis.call('HMGET', task_key(id), 'queue', 'job')
  local queue, job = SLOT .. (record[1] or '') .. ':', record[2] or id
  if not redis.call('ZSCORE', queue .. 'prioritized', job) and not redis.call('ZSCORE', queue .. 'delayed', job) then
    lost[#lost + 1] = id
  end
end

local leased = due('leased', now - ARGV[9])
for _, id in ipairs(leased) do redis.call('ZADD', key('leased'), now, id) end
return answer(due('deadlines', now),
  redis.call('ZRANGEBYSCORE', key('schedules'), '-inf', now, 'LIMIT', 0, most, 'WITHSCORES'), late, lost, leased, forgotten)
