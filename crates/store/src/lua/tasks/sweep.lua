-- Does what time brings: delayed tasks become ready, jobs near their deadlines go first, silent tasks are marked, old jobs
-- are forgotten. What needs a decision outside of Redis is in the answer.
-- args: stuck_after_ms, keep_ms, keep_jobs, max (of each kind), audit_after_ms, overdue_after_us, renew_files_after_ms
-- answer: expired (jobs past their deadline), schedules: id, due_ms; overdue (entries of the outbox), misplaced (ready
--         tasks whose jobs are in no queue), leased (tasks whose files to renew), forgotten (how many jobs).
local max = args.max

-- The members of a sorted set that are due.
local function due(name, until_when)
  return redis.call('ZRANGEBYSCORE', key(name), '-inf', until_when, 'LIMIT', 0, max)
end

-- The tasks of a sorted set that are due, without those whose records a failover lost.
local function load_due(name, until_when)
  local tasks = {}
  for _, id in ipairs(due(name, until_when)) do
    local task = load(id)
    if task then tasks[#tasks + 1] = task else redis.call('ZREM', key(name), id) end
  end
  return tasks
end

call_off_kin(max * 5)

for _, task in ipairs(load_due('delayed', now)) do
  enter(task, READY, 'ready', now)
  log(task.root, 'ready', task.id)
  add_to_outbox(task.id)
end

for _, root_id in ipairs(due('escalations', now)) do
  redis.call('ZREM', key('escalations'), root_id)
  local ids = redis.call('LRANGE', key('parts:' .. root_id), 0, -1)
  if #ids == 0 then ids = {root_id} end
  for _, id in ipairs(ids) do
    local task = load(id)
    if task and not is_over(task) then
      redis.call('HSET', task_key(id), 'priority', 1, 'escalated', 1)
      if task.state == READY then add_to_outbox(id) end
    end
  end
  log(root_id, 'escalated', root_id, {detail = 'its deadline is near'})
end

for _, task in ipairs(load_due('quiet', now - args.stuck_after_ms)) do
  redis.call('ZREM', key('quiet'), task.id)
  redis.call('HSET', task_key(task.id), 'stuck', 1)
  log(task.root, 'stuck', task.id, {worker = task.worker, detail = 'nothing was heard of it for long'})
  notify('stuck', task)
end

-- Forgets a task that has ended, with the job that BullMQ kept of it.
local function forget(id)
  local record = redis.call('HMGET', task_key(id), 'queue', 'job')
  if record[1] then
    local queue, job = args.slot .. record[1] .. ':', record[2] or id
    redis.call('ZREM', queue .. 'completed', job)
    redis.call('ZREM', queue .. 'failed', job)
    redis.call('DEL', queue .. job, queue .. job .. ':logs', key('job:' .. record[1] .. ':' .. job))
  end
  forget_lineage(id)
  redis.call('DEL', task_key(id), text_key(id), key('spec:' .. id), key('after:' .. id))
  redis.call('ZREM', key('dead'), id)
  redis.call('ZREM', key('outbox'), id)
end

local finished = key('finished')
local too_many = redis.call('ZCARD', finished) - args.keep_jobs
local forgotten, tasks = 0, 0
while tasks < max * 5 do
  local oldest = redis.call('ZRANGE', finished, 0, 0, 'WITHSCORES')
  if not oldest[1] or (forgotten >= too_many and now - oldest[2] < args.keep_ms) then break end
  local root_id = oldest[1]
  local ids = redis.call('LRANGE', key('parts:' .. root_id), 0, -1)
  ids[#ids + 1] = root_id
  for _, id in ipairs(ids) do forget(id) end
  redis.call('DEL', key('parts:' .. root_id), key('log:' .. root_id))
  redis.call('ZREM', finished, root_id)
  redis.call('ZREM', key('jobs'), root_id)
  forgotten, tasks = forgotten + 1, tasks + #ids
end

-- An entry goes behind the others, so that one which cannot be relayed delays no other.
local overdue = due('outbox', string.format('%.0f', now_us - args.overdue_after_us))
for _, what in ipairs(overdue) do redis.call('ZADD', key('outbox'), now_us, what) end

-- A ready task whose job is in no queue, and with no worker, was lost on the way. Each is looked for now and then.
local misplaced = {}
for _, id in ipairs(due('ready', now - args.audit_after_ms)) do
  redis.call('ZADD', key('ready'), now, id)
  local record = redis.call('HMGET', task_key(id), 'queue', 'job')
  local queue, job = args.slot .. (record[1] or '') .. ':', record[2] or id
  if not redis.call('ZSCORE', queue .. 'prioritized', job) and not redis.call('ZSCORE', queue .. 'delayed', job) then
    misplaced[#misplaced + 1] = id
  end
end

local leased = due('leased', now - args.renew_files_after_ms)
for _, id in ipairs(leased) do redis.call('ZADD', key('leased'), now, id) end

local schedules = {}
local runs = redis.call('ZRANGEBYSCORE', key('schedules'), '-inf', now, 'LIMIT', 0, max, 'WITHSCORES')
for i = 1, #runs, 2 do schedules[#schedules + 1] = {id = runs[i], due_ms = tonumber(runs[i + 1])} end
return answer({expired = due('deadlines', now), schedules = schedules, overdue = overdue, misplaced = misplaced,
  leased = leased, forgotten = forgotten})
