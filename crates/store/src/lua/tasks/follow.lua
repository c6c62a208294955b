-- Reads the events of a queue of BullMQ from where the last call ended, and records what other programs did: their workers
-- with jobs, and people who removed, promoted or retried a job. Events come late: those older than the last change of the
-- record, and those that SHIM caused itself, are passed over.
-- args: queue, max
-- answer: read (how many events).
local OURS, FOREIGN = 'shim', 'bullmq'
local MATTERS = {active = true, waiting = true, delayed = true, completed = true, failed = true, removed = true}
-- Where a job is that waits. SHIM itself removes no job of a waiting task from there.
local QUEUED = {wait = true, paused = true, prioritized = true, delayed = true}
local queue = args.slot .. args.queue .. ':'
local seen_key = key('seen:' .. args.queue)

-- Another program's worker has the job now.
local function is_theirs(job)
  local token = redis.call('GET', queue .. job .. ':lock')
  return token and token ~= OURS
end

-- A time in the record of a task; 0 for none.
local function time_of(id, field) return tonumber(redis.call('HGET', task_key(id), field) or 0) or 0 end

-- A job was removed by somebody else while its task waited: the task is called off.
local function on_removed(task, job, prev, at)
  if redis.call('EXISTS', queue .. job) == 1 or redis.call('ZSCORE', key('outbox'), task.id) then return end
  local is_ready, is_delayed = task.state == READY, task.state == DELAYED
  if redis.call('HEXISTS', task_key(task.id), 'job') == 0 then
    is_ready = is_ready and QUEUED[prev]
    is_delayed = is_delayed and prev == 'delayed'
  end
  if is_ready and at > time_of(task.id, 'ready') or is_delayed and at > time_of(task.id, 'aside') then
    over(task, CANCELLED, 'CANCELLED', 'its job was removed in BullMQ')
  end
end

-- A job was put back into its queue after its end: a lost task is taken up again.
local function on_retried(task, at)
  if not is_lost(task) or at <= time_of(task.id, 'ended') then return end
  retry_lost(task)
  -- What a worker of another program did with it since counts.
  if redis.call('HGET', task_key(task.id), 'state') == READY then redis.call('HSET', task_key(task.id), 'ready', at) end
end

-- A job was promoted before its time: its task is ready now.
local function on_promoted(task, at)
  local aside = time_of(task.id, 'aside')
  if task.state ~= DELAYED or aside == 0 or at <= aside or (tonumber(task.from) or 0) <= at + CLOCKS_DIFFER_MS then return end
  enter(task, READY, 'ready', at, 'from', '')
  log(task.root, 'ready', task.id, {detail = 'it was promoted in BullMQ'})
end

local function on_work(what, task, job, fields, at)
  local id = task.id
  local waits = task.state == READY or task.state == DELAYED
  local has = task.state == RUNNING and task.worker == FOREIGN
  if what == 'active' then
    if not waits or not is_theirs(job) then return end
    enter(task, RUNNING, 'worker', FOREIGN, 'lease', '', 'epoch', 0, 'session', '', 'started', now, 'reported', now)
    redis.call('HINCRBY', task_key(id), 'attempts', 1)
    count('claimed elsewhere')
    log(task.root, 'started', id, {worker = FOREIGN})
  elseif what == 'waiting' or what == 'delayed' then
    if not has or is_theirs(job) then return end
    enter(task, READY, 'ready', now)
    count(what == 'delayed' and 'put back: failed' or 'put back: released')
    log(task.root, 'requeued', id, {worker = FOREIGN})
  elseif has or (waits and at >= time_of(id, 'ready')) then
    task.worker = FOREIGN
    redis.call('HSET', task_key(id), 'worker', FOREIGN)
    -- Whole attempts may lie between two looks at the events; BullMQ counted them.
    local tried = tonumber(redis.call('HGET', queue .. job, 'atm') or 0)
    if tried > tonumber(task.attempts) then redis.call('HSET', task_key(id), 'attempts', tried) end
    if what == 'completed' then
      redis.call('HSET', text_key(id), 'json', fields.returnvalue or 'null')
      finish(task)
    else
      over(task, FAILED, 'EXECUTOR_FAILED', fields.failedReason or '')
      -- A retry right after it may be among the events that follow.
      redis.call('HSET', task_key(id), 'ended', at)
    end
  end
end

local function apply(what, job, fields, at)
  local id = redis.call('GET', key('job:' .. args.queue .. ':' .. job)) or job
  local task = load(id)
  if not task then return end
  if what == 'removed' then return on_removed(task, job, fields.prev, at) end
  if foreign_job(id) == 'other' then return end
  if what == 'waiting' and (fields.prev == 'failed' or fields.prev == 'completed') then return on_retried(task, at) end
  if what == 'waiting' and fields.prev == 'delayed' then return on_promoted(task, at) end
  if redis.call('HGET', queue .. job, 'pb') ~= OURS then on_work(what, task, job, fields, at) end
end

local seen = redis.call('GET', seen_key)
local events = redis.call('XRANGE', queue .. 'events', seen and '(' .. seen or '-', '+', 'COUNT', args.max)
for _, event in ipairs(events) do
  local fields = {}
  for i = 1, #event[2], 2 do fields[event[2][i]] = event[2][i + 1] end
  if fields.jobId and MATTERS[fields.event] then
    apply(fields.event, fields.jobId, fields, tonumber(string.match(event[1], '^%d+')))
  end
  seen = event[1]
end
if #events > 0 then redis.call('SET', seen_key, seen) end
return answer({read = #events})
