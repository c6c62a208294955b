-- Does what time brings: delayed tasks become ready, jobs near their deadlines go first, silent tasks are marked, old jobs
-- are forgotten. What needs a decision outside of Redis is in the answer.
-- args: stuck_after_ms, keep_ms, keep_jobs, keep_dead_letters, max (of each kind), audit_after_ms, overdue_after_us,
--       renew_files_after_ms, max_queues, owed_again_after_ms
-- answer: expired (jobs past their deadline), schedules: id, due_ms; overdue (entries of the outbox), misplaced (ready
--         tasks whose jobs are in no queue), leased (tasks whose files to renew), unlisted (tasks whose queues were forgotten
--         before they were taken up again), owed (messages to send again, whose inboxes were full), forgotten (how many jobs), buried (those
--         among them that held dead letters).
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
take_back_kin(max * 5)

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

local buried = {}

-- Finished jobs go by age and number, but for those that hold dead letters: these wait to be retried.
while tasks < max * 5 do
  local oldest = redis.call('ZRANGE', finished, 0, 0, 'WITHSCORES')
  local is_many = redis.call('ZCARD', finished) > args.keep_jobs
  if not oldest[1] or not is_many and now - oldest[2] < args.keep_ms then break end
  local ids, dead = tasks_of(oldest[1])
  if dead == 0 then
    forget_job(oldest[1], ids, finished)
  else
    redis.call('ZREM', finished, oldest[1])
    redis.call('ZADD', dead_jobs, oldest[2], oldest[1])
  end
end

-- Of dead letters there are at most so many, and what is forgotten of them is told.
while tasks < max * 5 and redis.call('ZCARD', key('dead')) > args.keep_dead_letters do
  local root_id = redis.call('ZRANGE', dead_jobs, 0, 0)[1]
  if not root_id then break end
  local ids, dead = tasks_of(root_id)
  forget_job(root_id, ids, dead_jobs)
  buried[#buried + 1] = root_id
  count('dead letter forgotten', dead)
  redis.call('HINCRBY', key('buried'), 'letters', dead)
  redis.call('HSET', key('buried'), 'at', now)
  redis.call('PEXPIRE', key('buried'), 7 * 24 * 3600 * 1000)
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
  if record[2] and is_job_gone(id) then
    if not has_unread_events(record[1]) then
      over(load(id), CANCELLED, 'CANCELLED', 'the program that made its job removed it from BullMQ')
    end
  elseif not redis.call('ZSCORE', queue .. 'prioritized', job) and not redis.call('ZSCORE', queue .. 'delayed', job) then
    misplaced[#misplaced + 1] = id
  end
end

rest_old_queues()
forget_idle_queues(20, args.max_queues)

local owed = redis.call('ZRANGEBYSCORE', key('owed'), '-inf', now, 'LIMIT', 0, 20)
for _, what in ipairs(owed) do redis.call('ZADD', key('owed'), now + args.owed_again_after_ms, what) end

local leased = due('leased', now - args.renew_files_after_ms)
for _, id in ipairs(leased) do redis.call('ZADD', key('leased'), now, id) end

local schedules = {}
local runs = redis.call('ZRANGEBYSCORE', key('schedules'), '-inf', now, 'LIMIT', 0, max, 'WITHSCORES')
for i = 1, #runs, 2 do schedules[#schedules + 1] = {id = runs[i], due_ms = tonumber(runs[i + 1])} end
return answer({expired = due('deadlines', now), schedules = schedules, overdue = overdue, misplaced = misplaced,
  leased = leased, owed = owed, unlisted = redis.call('HVALS', key('queues-unlisted')), forgotten = forgotten, buried = buried})
