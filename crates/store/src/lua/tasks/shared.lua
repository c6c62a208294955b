-- What the scripts of tasks share. KEYS[1] is the clock of the slot; ARGV begins with: the beginning of the slot's keys,
-- the beginning of the channels of jobs.
--
-- The record of a task (hash `task:<id>`) decides; BullMQ's queues follow it. Whoever changes a state that BullMQ must
-- learn of owes it: the task goes into the outbox until somebody has carried it over.

local SLOT, CHANNELS = ARGV[1], ARGV[2]
local PENDING, DELAYED, AWAITING, READY, RUNNING, COMPLETED, FAILED, CANCELLED = '1', '2', '3', '4', '5', '6', '7', '8'
-- Kinds of events, as on the wire.
local TOLD = {submitted = 1, ready = 2, started = 3, progress = 4, awaiting = 5, approved = 6, rejected = 7,
  retrying = 8, requeued = 9, stuck = 10, escalated = 11, completed = 12, failed = 13, cancelled = 14, retried = 15}
local TOLD_AT_END = {[COMPLETED] = 'completed', [FAILED] = 'failed', [CANCELLED] = 'cancelled'}
local LOG_LENGTH = 10000
local LONGEST_PAUSE_MS = 3600 * 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_us = time[1] * 1000000 + time[2]

local function key(name) return SLOT .. name end
local function task_key(id) return SLOT .. 'task:' .. id end
local function text_key(id) return SLOT .. 'text:' .. id end

-- Jobs whose watchers are woken, and tasks that BullMQ must learn of: what `answer` ends a script with.
local woken, owed = {}, {}

-- What is committed, by name, for who measures: each script that changes tasks ends with it. See `tally.rs`.
local counted = {}

local function count(what, times) counted[what] = (counted[what] or 0) + (times or 1) end

-- Not part of what `once` remembers: what was done before is not counted again.
local function with_counts(done)
  local counts = {}
  for what, times in pairs(counted) do counts[#counts + 1] = {what, times} end
  done[#done + 1] = counts
  return done
end

local function owe(id)
  redis.call('ZADD', key('outbox'), now_us, id)
  owed[#owed + 1] = id
end

-- A message to the submitter of a job is owed, if it wants to hear: why, of which task.
local function notify(why, task)
  if redis.call('HEXISTS', task_key(task.root), 'told') == 0 then return end
  local what = why .. ' ' .. task.id
  redis.call('ZADD', key('outbox'), now_us, what)
  owed[#owed + 1] = what
end

-- A line in the log of a job, as short as can be: a job's log takes more room than the job. With 'w' the worker, with 'p'
-- how far it is, with 'd' a few words more.
local function log(root, kind, id, ...)
  local line = {now, TOLD[kind], id == root and '' or id, '', 0, ''}
  for i = 1, select('#', ...), 2 do
    local name, value = select(i, ...)
    line[name == 'w' and 4 or name == 'p' and 5 or 6] = name == 'p' and (tonumber(value) or 0) or value
  end
  local length = redis.call('RPUSH', key('log:' .. root), cmsgpack.pack(line))
  if length > LOG_LENGTH * 1.1 then
    redis.call('LTRIM', key('log:' .. root), -LOG_LENGTH, -1)
    redis.call('HINCRBY', task_key(root), 'cut', length - LOG_LENGTH)
  end
  woken[root] = true
end

local function answer(...)
  for root in pairs(woken) do
    redis.call('PUBLISH', CHANNELS .. root, string.format('{"from":"","at":%.0f,"data":{"root_id":"%s"}}', now, root))
  end
  return {'OK', string.format('%.0f', now_us), owed, ...}
end

local FIELDS = {'state', 'root', 'priority', 'unmet', 'attempts', 'most', 'deaths', 'pause', 'worker', 'epoch', 'lease',
  'weight', 'progress', 'gates', 'gate', 'from', 'policy', 'total', 'parts', 'place'}

-- What is not written down, because most tasks have it so. A root does not name itself.
local DEFAULTS = {unmet = '0', weight = '1', policy = '1', attempts = '0'}

-- The record of a task as a table with its id; nil if there is none.
local function load(id)
  local values = redis.call('HMGET', task_key(id), unpack(FIELDS))
  if not values[1] then return nil end
  local task = {id = id}
  for i, field in ipairs(FIELDS) do task[field] = values[i] or DEFAULTS[field] or '' end
  if task.root == '' then task.root = id end
  return task
end

local function is_over(task) return task.state == COMPLETED or task.state == FAILED or task.state == CANCELLED end
local function is_root(task) return task.root == task.id end

-- Puts a task into a state: the only place that writes one. Counts it in its job.
local function enter(task, state, ...)
  if task.state == READY then redis.call('ZREM', key('ready'), task.id) end
  if task.state == AWAITING then redis.call('ZREM', key('approvals'), task.id) end
  if task.state == DELAYED then redis.call('ZREM', key('delayed'), task.id) end
  if task.state == RUNNING then
    redis.call('ZREM', key('quiet'), task.id)
    local holds = key('running:' .. task.worker)
    redis.call('SREM', holds, task.id)
    if redis.call('EXISTS', holds) == 0 then redis.call('ZREM', key('holders'), task.worker) end
  end
  if state == READY then redis.call('ZADD', key('ready'), now, task.id) end
  if state == AWAITING then redis.call('ZADD', key('approvals'), now, task.id) end
  if state == DELAYED then redis.call('ZADD', key('delayed'), task.from, task.id) end
  if not is_root(task) and task.state ~= state then
    redis.call('HINCRBY', task_key(task.root), 'in' .. task.state, -1)
    redis.call('HINCRBY', task_key(task.root), 'in' .. state, 1)
  end
  task.state = state
  redis.call('HSET', task_key(task.id), 'state', state, ...)
end

-- How far a task is; its job follows with its weight.
local function advance(task, progress)
  local step = progress - (tonumber(task.progress) or 0)
  if step == 0 then return end
  task.progress = progress
  redis.call('HSET', task_key(task.id), 'progress', progress)
  if not is_root(task) then
    redis.call('HINCRBYFLOAT', task_key(task.root), 'done', step * tonumber(task.weight))
  end
end

-- Lets a task start that waits for no other task: at its gate, at its time, or now.
local function release(task)
  if string.find(task.gates, 's', 1, true) then
    enter(task, AWAITING, 'gate', 'start')
    log(task.root, 'awaiting', task.id, 'd', 'before it starts')
    notify('approval', task)
  elseif (tonumber(task.from) or 0) > now then
    enter(task, DELAYED)
    owe(task.id)
  else
    enter(task, READY, 'ready', now)
    log(task.root, 'ready', task.id)
    owe(task.id)
  end
end

-- Lets the subtasks of a job start that wait for no other.
local function start_parts(root_id)
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. root_id), 0, -1)) do
    local part = load(id)
    if part and part.state == PENDING and part.unmet == '0' then release(part) end
  end
end

local over

-- Ends a job with subtasks when none of them is on its way any more.
local function settle(root_id)
  local root = load(root_id)
  if not root or is_over(root) or root.state == AWAITING then return end
  local counts = redis.call('HMGET', task_key(root_id), 'in6', 'in7', 'in8')
  local completed, failed, cancelled = tonumber(counts[1] or 0), tonumber(counts[2] or 0), tonumber(counts[3] or 0)
  if completed + failed + cancelled < tonumber(root.total) then return end
  if failed > 0 then
    over(root, FAILED, 'EXECUTOR_FAILED', string.format('%d of %d subtasks failed', failed, root.total))
  elseif cancelled > 0 then
    over(root, CANCELLED, 'CANCELLED', string.format('%d of %d subtasks were called off', cancelled, root.total))
  elseif string.find(root.gates, 'r', 1, true) then
    enter(root, AWAITING, 'gate', 'result')
    log(root_id, 'awaiting', root_id, 'd', 'before its result counts')
    notify('approval', root)
  else
    over(root, COMPLETED)
  end
end

-- Ends a task for good, and settles nothing else.
local function close(task, state, reason, message)
  local may_be_queued = task.state ~= PENDING and task.parts == ''
  enter(task, state, 'ended', now)
  redis.call('HDEL', task_key(task.id), 'lease', 'epoch', 'stuck', 'gate')
  if state == COMPLETED then advance(task, 1) end
  if reason then redis.call('HSET', text_key(task.id), 'reason', reason, 'message', message) end
  count(TOLD_AT_END[state])
  log(task.root, TOLD_AT_END[state], task.id, 'w', task.worker, 'd', message or '')
  if task.parts == '' then
    redis.call('ZREM', key('leased'), task.id)
    if may_be_queued then owe(task.id) end
    local bucket = key('ended' .. state .. ':' .. math.floor(now / 10000))
    if redis.call('INCR', bucket) == 1 then redis.call('PEXPIRE', bucket, 120000) end
    if state == FAILED then
      redis.call('ZADD', key('dead'), now, task.id)
      count('dead letter')
    end
  end
  if is_root(task) then
    redis.call('ZADD', key('finished'), now, task.id)
    redis.call('ZREM', key('live'), task.id)
    redis.call('ZREM', key('deadlines'), task.id)
    redis.call('ZREM', key('escalations'), task.id)
    notify('ended', task)
  end
end

-- Calls off what waits for a task that will never complete, and what waits for that.
local function strand(id)
  local queue, message = {id}, 'a task it depends on did not complete'
  while #queue > 0 do
    for _, next_id in ipairs(redis.call('LRANGE', key('after:' .. table.remove(queue)), 0, -1)) do
      local waiting = load(next_id)
      if waiting and not is_over(waiting) then
        close(waiting, CANCELLED, 'DEPENDENCY_FAILED', message)
        queue[#queue + 1] = next_id
      end
    end
  end
end

-- Calls off all subtasks of a job that are not over; returns how many.
local function call_off(root_id, reason, message)
  local count = 0
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. root_id), 0, -1)) do
    local part = load(id)
    if part and not is_over(part) then
      close(part, CANCELLED, reason, message)
      count = count + 1
    end
  end
  return count
end

-- Ends a task for good with everything that follows from it: what waited for it starts or is called off, and its job
-- ends with its last subtask.
over = function(task, state, reason, message)
  close(task, state, reason, message)
  if is_root(task) then return end
  if state == COMPLETED then
    for _, next_id in ipairs(redis.call('LRANGE', key('after:' .. task.id), 0, -1)) do
      local unmet = redis.call('HINCRBY', task_key(next_id), 'unmet', -1)
      local waiting = load(next_id)
      if unmet == 0 and waiting and waiting.state == PENDING then release(waiting) end
    end
  elseif state == FAILED and redis.call('HGET', task_key(task.root), 'policy') ~= '2' then
    call_off(task.root, 'SIBLING_FAILED', 'another subtask of the job failed')
  else
    strand(task.id)
  end
  settle(task.root)
end

-- Ends a task whose work is done, or stops it at the gate before its result counts.
local function finish(task)
  if not string.find(task.gates, 'r', 1, true) then return over(task, COMPLETED) end
  enter(task, AWAITING, 'gate', 'result', 'lease', '')
  advance(task, 1)
  log(task.root, 'awaiting', task.id, 'w', task.worker, 'd', 'before its result counts')
  owe(task.id)
  notify('approval', task)
end

-- Nil if the claim stands; else the refusal, with why.
local function stale(task, lease)
  if not task then return {'NOT_FOUND'} end
  if task.state == RUNNING and task.lease == lease then return nil end
  return {'STALE', task.state, task.worker}
end

-- Gives a task back for another worker; it goes before all of its priority.
local function give_back(task, why)
  local worker = task.worker
  enter(task, READY, 'ready', now, 'lease', '', 'stuck', '')
  log(task.root, 'requeued', task.id, 'w', worker, 'd', why)
  owe(task.id)
end

-- Gives a task to others whose worker is gone, or ends it after too many deaths; the attempt does not count. Tells whether
-- it waits for another worker now.
local function give_on(task, why, died, most)
  local deaths = redis.call('HINCRBY', task_key(task.id), 'deaths', died)
  if deaths >= tonumber(most) then
    over(task, FAILED, 'WORKERS_DIED', string.format('%d workers died with it', deaths))
    return false
  end
  redis.call('HINCRBY', task_key(task.id), 'attempts', -1)
  give_back(task, why)
  count(tonumber(died) > 0 and 'put back: died' or 'put back: released')
  return true
end

-- Adds what an attempt cost, to the task and to its job.
local function spend(task, input, output, cost)
  for _, id in ipairs(is_root(task) and {task.id} or {task.id, task.root}) do
    if input ~= '0' then redis.call('HINCRBY', task_key(id), 'input', input) end
    if output ~= '0' then redis.call('HINCRBY', task_key(id), 'output', output) end
    if cost ~= '0' then redis.call('HINCRBYFLOAT', task_key(id), 'cost', cost) end
  end
end

local TEXTS = {errors = {'reason', 'message', 'note'}, all = {'reason', 'message', 'note', 'result', 'json'}}

-- A task as it is told: {id, what does not change of it, fields, texts}; nil if there is none. Texts: 'none', 'errors' or
-- 'all'.
local function row(id, texts)
  local fields = redis.call('HGETALL', task_key(id))
  if #fields == 0 then return nil end
  local told, names = {}, TEXTS[texts]
  if names then
    for i, value in ipairs(redis.call('HMGET', text_key(id), unpack(names))) do
      if value then
        told[#told + 1] = names[i]
        told[#told + 1] = value
      end
    end
  end
  return {id, redis.call('GET', key('spec:' .. id)) or '', fields, told}
end

-- A job's root and its subtasks, as `row` tells them.
local function job_rows(root_id, texts)
  local rows = {row(root_id, texts)}
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. root_id), 0, -1)) do rows[#rows + 1] = row(id, texts) end
  return rows
end

-- Ends a script that changed a task: with the task as it is now, which `once` need not remember.
local function with_row(done, id)
  if not is_done(done) then return done end
  local found = row(id, 'errors')
  -- A repetition may come when the task was forgotten.
  if not found then return {'NOT_FOUND'} end
  done[#done + 1] = found
  return done
end
