-- What the scripts of tasks share. `args` holds what their caller names, and always: `slot`, the beginning of the slot's
-- keys; `channels`, the beginning of the channels of jobs; `request`, if the call has one effect: `key`, `fingerprint`,
-- `keep_ms`.
--
-- The record of a task (hash `task:<id>`) decides; BullMQ's queues follow it. A script that changes a state that BullMQ
-- must follow adds the task to the outbox; the relay takes it off after BullMQ agrees.
--
-- A script ends with `answer(fields)`, or with a refusal {STATUS, fields}. The caller reads `decided_us`, `outbox`,
-- `counts` and `answer`, which holds the script's own fields.

local clock_key = KEYS[1]
local PENDING, DELAYED, AWAITING, READY, RUNNING, COMPLETED, FAILED, CANCELLED = '1', '2', '3', '4', '5', '6', '7', '8'
-- Kinds of events, as on the wire.
local EVENT_KINDS = {submitted = 1, ready = 2, started = 3, progress = 4, awaiting = 5, approved = 6, rejected = 7,
  retrying = 8, requeued = 9, stuck = 10, escalated = 11, completed = 12, failed = 13, cancelled = 14, retried = 15}
local EVENT_AT_END = {[COMPLETED] = 'completed', [FAILED] = 'failed', [CANCELLED] = 'cancelled'}
local LOG_LENGTH = 10000
local LONGEST_PAUSE_MS = 3600 * 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_us = time[1] * 1000000 + time[2]

local function key(name) return args.slot .. name end
local function task_key(id) return args.slot .. 'task:' .. id end
local function text_key(id) return args.slot .. 'text:' .. id end

-- Roots of jobs whose watchers `answer` wakes, and what this script added to the outbox.
local changed_jobs, outbox = {}, {}

-- What this script committed, by name: the caller counts it in metrics. See `metrics.rs`.
local counts = {}

local function count(what, times) counts[what] = (counts[what] or 0) + (times or 1) end

-- Packs what a script decided. The counts are no part of what `once` remembers: a repeated request is not counted again.
local function respond(decision)
  local status, fields = decision[1], decision[2] or {}
  -- A refusal of `once` is packed already.
  if type(fields) == 'string' then return decision end
  local pairs_of_counts = {}
  for what, times in pairs(counts) do pairs_of_counts[#pairs_of_counts + 1] = {what, times} end
  fields.counts = pairs_of_counts
  return reply(status, fields)
end

local function add_to_outbox(what)
  redis.call('ZADD', key('outbox'), now_us, what)
  outbox[#outbox + 1] = what
end

-- Adds a message to the submitter of a job to the outbox, if the job has one: why, and about which task.
local function notify(why, task)
  if redis.call('HEXISTS', task_key(task.root), 'told') == 0 then return end
  add_to_outbox(why .. ' ' .. task.id)
end

-- A line of a job's log. `about` may name the `worker`, the `progress` and a `detail`. The line is an array, as short as can
-- be: a job's log takes more room than the job.
local function log_line(root, at_ms, kind, id, about)
  about = about or {}
  return cmsgpack.pack({at_ms, EVENT_KINDS[kind], id == root and '' or id, about.worker or '', tonumber(about.progress) or 0,
    about.detail or ''})
end

-- The first lines of a job whose record is `brief`: one task that was ready when it was submitted. A queued task that has
-- no other line has no log of its own, which would take as much room as its record.
local function brief_lines(root)
  local created = tonumber(redis.call('HGET', task_key(root), 'created'))
  return {log_line(root, created, 'submitted', root), log_line(root, created, 'ready', root)}
end

-- Pushes values to the end of a list or into a sorted set, as many at once as Lua's stack bears.
local function add_all(command, name, values)
  local length
  for first = 1, #values, 1000 do
    length = redis.call(command, key(name), unpack(values, first, math.min(first + 999, #values)))
  end
  return length
end

-- Roots of jobs whose record this script knows not to be brief.
local has_log = {}

-- Adds lines to the log of a job; before its first line that is kept, those that its brief record stands for.
local function append_lines(root, lines)
  if not has_log[root] and redis.call('HDEL', task_key(root), 'brief') == 1 then
    add_all('RPUSH', 'log:' .. root, brief_lines(root))
  end
  has_log[root] = true
  local length = add_all('RPUSH', 'log:' .. root, lines)
  if length > LOG_LENGTH * 1.1 then
    redis.call('LTRIM', key('log:' .. root), -LOG_LENGTH, -1)
    redis.call('HINCRBY', task_key(root), 'cut', length - LOG_LENGTH)
  end
  changed_jobs[root] = true
end

-- Adds a line to the log of a job.
local function log(root, kind, id, about) append_lines(root, {log_line(root, now, kind, id, about)}) end

-- What a script decided, with the fields of its own. Wakes the watchers of the jobs that changed.
local function answer(fields)
  for root in pairs(changed_jobs) do
    redis.call('PUBLISH', args.channels .. root,
      string.format('{"from":"","at":%.0f,"data":{"root_id":"%s"}}', now, root))
  end
  return {'OK', {decided_us = now_us, outbox = outbox, answer = fields}}
end

local FIELDS = {'state', 'root', 'priority', 'unmet', 'attempts', 'most', 'deaths', 'pause', 'worker', 'epoch', 'lease',
  'weight', 'progress', 'gates', 'gate', 'from', 'policy', 'total', 'parts', 'place'}

-- Values that are not stored, because most tasks have them. The record of a root does not name the root.
local DEFAULTS = {unmet = '0', weight = '1', policy = '1', attempts = '0'}

-- The record of a task, with its id; nil if there is none.
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

-- A task begins to need its queue (id, queue), and needs it no more (id); see `queues.lua`.
local use_queue, leave_queue

-- Puts a task into a state. Nothing else writes a task's state. The job counts its subtasks by state.
local function enter(task, state, ...)
  local will_be_over = state == COMPLETED or state == FAILED or state == CANCELLED
  if task.parts == '' and will_be_over ~= is_over(task) then
    if will_be_over then leave_queue(task.id) else use_queue(task.id, redis.call('HGET', task_key(task.id), 'queue')) end
  end
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
  if state == DELAYED then
    redis.call('ZADD', key('delayed'), task.from, task.id)
    redis.call('HSET', task_key(task.id), 'aside', now)
  end
  if not is_root(task) and task.state ~= state then
    redis.call('HINCRBY', task_key(task.root), 'in' .. task.state, -1)
    redis.call('HINCRBY', task_key(task.root), 'in' .. state, 1)
  end
  task.state = state
  redis.call('HSET', task_key(task.id), 'state', state, ...)
end

-- Sets the progress of a task. The progress of its job follows by the weight of the task.
local function advance(task, progress)
  local step = progress - (tonumber(task.progress) or 0)
  if step == 0 then return end
  task.progress = progress
  redis.call('HSET', task_key(task.id), 'progress', progress)
  if not is_root(task) then
    redis.call('HINCRBYFLOAT', task_key(task.root), 'done', step * tonumber(task.weight))
  end
end

-- Starts a task that waits for no other task: at its gate, at its time, or now.
local function release(task)
  if string.find(task.gates, 's', 1, true) then
    enter(task, AWAITING, 'gate', 'start')
    log(task.root, 'awaiting', task.id, {detail = 'before it starts'})
    notify('approval', task)
  elseif (tonumber(task.from) or 0) > now then
    enter(task, DELAYED)
    add_to_outbox(task.id)
  else
    enter(task, READY, 'ready', now)
    log(task.root, 'ready', task.id)
    add_to_outbox(task.id)
  end
end

-- Starts the subtasks of a job that wait for no other task.
local function start_parts(root_id)
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. root_id), 0, -1)) do
    local part = load(id)
    if part and part.state == PENDING and part.unmet == '0' then release(part) end
  end
end

-- The time of an event or a job and the store's time may differ by this: BullMQ goes by its clients' clocks.
local CLOCKS_DIFFER_MS = 2000

-- Of a task whose job another program made, what its job's id stands for in BullMQ: 'same'; 'gone', if there is no such job
-- any more; 'other', if it is a later job. Nil for a task of SHIM's own.
local function foreign_job(id)
  local queue, job, made, created = unpack(redis.call('HMGET', task_key(id), 'queue', 'job', 'made', 'created'), 1, 4)
  if not job then return nil end
  local found = redis.call('HGET', args.slot .. queue .. ':' .. job, 'timestamp')
  if not found then return 'gone' end
  if made then return made == found and 'same' or 'other' end
  -- A task of an older version, which did not note when its job was made: that was before the task.
  local is_later = (tonumber(found) or 0) > tonumber(created or 0) + CLOCKS_DIFFER_MS
  return is_later and 'other' or 'same'
end

-- Whether another program made the job of a task, and took it away.
local function is_job_gone(id)
  local found = foreign_job(id)
  return found == 'gone' or found == 'other'
end

-- Whether BullMQ's events tell something of a queue that was not read yet.
local function has_unread_events(queue)
  local newest = redis.call('XREVRANGE', args.slot .. queue .. ':events', '+', '-', 'COUNT', 1)[1]
  return newest and newest[1] ~= redis.call('GET', key('seen:' .. queue))
end

local over

-- Ends a job with subtasks after the last of them has ended.
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
    log(root_id, 'awaiting', root_id, {detail = 'before its result counts'})
    notify('approval', root)
  else
    over(root, COMPLETED)
  end
end

-- Marks a task that was called off; see `lineage.lua`.
local function disown(id)
  redis.call('HSET', task_key(id), 'disowned', '1')
  redis.call('ZREM', key('reowned'), id)
  if redis.call('EXISTS', key('kin:' .. id)) == 1 then redis.call('ZADD', key('disowned'), now, id) end
end

-- Adds a number to a sum of what a task cost. A sum that Redis cannot hold stays, and is known to be too small.
local function add_cost(id, command, field, number)
  local sum = redis.pcall(command, task_key(id), field, number)
  if type(sum) == 'table' and sum.err then redis.call('HSET', task_key(id), 'least', 1) end
end

-- A task, and the job that counts the same.
local function counted_in(task) return is_root(task) and {task.id} or {task.id, task.root} end

-- Notes that an attempt ends whose worker cannot tell any more what it cost: what is known of that is the least.
local function lose_usage(task)
  if task.state ~= RUNNING then return end
  local known = redis.call('HMGET', task_key(task.id), 'input', 'output', 'cost')
  if not (known[1] or known[2] or known[3]) then return end
  for _, id in ipairs(counted_in(task)) do redis.call('HSET', task_key(id), 'least', 1) end
end

-- Ends a task for good, without what follows for other tasks; see `over`.
local function close(task, state, reason, message)
  if state == CANCELLED or reason == 'DEADLINE_EXCEEDED' then lose_usage(task) end
  local may_be_queued = task.state ~= PENDING and task.parts == ''
  enter(task, state, 'ended', now)
  redis.call('HDEL', task_key(task.id), 'lease', 'epoch', 'stuck', 'gate')
  if state == COMPLETED then advance(task, 1) end
  if state == CANCELLED or reason == 'DEADLINE_EXCEEDED' then disown(task.id) end
  if reason then redis.call('HSET', text_key(task.id), 'reason', reason, 'message', message) end
  count(EVENT_AT_END[state])
  log(task.root, EVENT_AT_END[state], task.id, {worker = task.worker, detail = message or ''})
  if task.parts == '' then
    redis.call('ZREM', key('leased'), task.id)
    if may_be_queued then add_to_outbox(task.id) end
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

-- Cancels the tasks that wait for a task which will never complete, and the tasks that wait for those.
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

-- Cancels all subtasks of a job that have not ended; returns their number.
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

-- Ends a task for good with all that follows: the tasks that waited for it start or are cancelled, and its job ends with
-- its last subtask.
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

-- Ends a task whose work is done, or holds it at the gate before its result counts. The log gets the remark.
local function finish(task, remark)
  if not string.find(task.gates, 'r', 1, true) then return over(task, COMPLETED, nil, remark) end
  enter(task, AWAITING, 'gate', 'result', 'lease', '')
  advance(task, 1)
  log(task.root, 'awaiting', task.id, {worker = task.worker, detail = 'before its result counts'})
  add_to_outbox(task.id)
  notify('approval', task)
end

-- Nil if the claim with this lease stands; else the refusal.
local function stale(task, lease)
  if not task then return {'NOT_FOUND'} end
  if task.state == RUNNING and task.lease == lease then return nil end
  return {'STALE', {state = task.state, worker = task.worker}}
end

-- Makes a running task ready for another worker. The relay puts it before all tasks of its priority.
local function give_back(task, why)
  local worker = task.worker
  enter(task, READY, 'ready', now, 'lease', '', 'stuck', '')
  log(task.root, 'requeued', task.id, {worker = worker, detail = why})
  add_to_outbox(task.id)
end

-- Makes a task whose worker is gone ready for another worker, or ends it after `max_deaths`; the attempt does not count.
-- Returns whether the task is ready now.
local function requeue_after_loss(task, why, died, max_deaths)
  lose_usage(task)
  local deaths = redis.call('HINCRBY', task_key(task.id), 'deaths', died and 1 or 0)
  if deaths >= max_deaths then
    over(task, FAILED, 'WORKERS_DIED', string.format('%d workers died with it', deaths))
    return false
  end
  redis.call('HINCRBY', task_key(task.id), 'attempts', -1)
  give_back(task, why)
  count(died and 'put back: died' or 'put back: released')
  return true
end

-- Adds the usage of an attempt to the task and to its job. The cost is a text: Redis adds decimals exactly.
local function spend(task, usage)
  for _, id in ipairs(counted_in(task)) do
    if usage.input ~= 0 then add_cost(id, 'HINCRBY', 'input', usage.input) end
    if usage.output ~= 0 then add_cost(id, 'HINCRBY', 'output', usage.output) end
    if usage.cost ~= '0' then add_cost(id, 'HINCRBYFLOAT', 'cost', usage.cost) end
    if usage.incomplete then redis.call('HSET', task_key(id), 'least', 1) end
  end
end

local TEXTS = {errors = {'reason', 'message', 'note'}, all = {'reason', 'message', 'note', 'result', 'json'}}

-- A task as the caller reads it; nil if there is none. `record` holds names and values in turn, as the hash does. `texts`
-- is 'none', 'errors' or 'all'.
local function row(id, texts)
  local record = redis.call('HGETALL', task_key(id))
  if #record == 0 then return nil end
  local found, names = {}, TEXTS[texts]
  if names then
    for i, value in ipairs(redis.call('HMGET', text_key(id), unpack(names))) do
      if value then
        found[#found + 1] = names[i]
        found[#found + 1] = value
      end
    end
  end
  return {id = id, spec = redis.call('GET', key('spec:' .. id)) or '', record = record, texts = found}
end

-- The rows of a job: its root, then its subtasks.
local function job_rows(root_id, texts)
  local rows = {row(root_id, texts)}
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. root_id), 0, -1)) do rows[#rows + 1] = row(id, texts) end
  return rows
end

-- Runs `effect` once for the request of this call; see `once`.
local function once_per_request(effect)
  local request = args.request
  return once(request.key, request.fingerprint, request.keep_ms, effect)
end

-- Changes the task `args.id` once for the request of this call. The answer holds the task as it is now, which `once` need
-- not remember.
local function change_once(effect)
  local decision = once_per_request(effect)
  if not is_done(decision) then return decision end
  local task = row(args.id, 'errors')
  -- A repeated request may come after the task was forgotten.
  if not task then return {'NOT_FOUND'} end
  decision[2].answer.task = task
  return decision
end
