-- Reads the events of a queue of BullMQ from where the last call ended, and records what workers of other programs did.
-- Events come late: those older than the last change of the record, and those that SHIM caused itself, are passed over.
-- args: queue, max
-- answer: read (how many events).
local OURS, FOREIGN = 'shim', 'bullmq'
local MATTERS = {active = true, waiting = true, delayed = true, completed = true, failed = true}
local queue = args.slot .. args.queue .. ':'
local seen_key = key('seen:' .. args.queue)

-- Another program's worker has the job now.
local function is_theirs(job)
  local token = redis.call('GET', queue .. job .. ':lock')
  return token and token ~= OURS
end

local function apply(what, job, fields, at)
  local id = redis.call('GET', key('job:' .. args.queue .. ':' .. job)) or job
  local task = load(id)
  if not task then return end
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
  elseif has or (waits and at >= tonumber(redis.call('HGET', task_key(id), 'ready') or 0)) then
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
    end
  end
end

local seen = redis.call('GET', seen_key)
local events = redis.call('XRANGE', queue .. 'events', seen and '(' .. seen or '-', '+', 'COUNT', args.max)
for _, event in ipairs(events) do
  local fields = {}
  for i = 1, #event[2], 2 do fields[event[2][i]] = event[2][i + 1] end
  local job = fields.jobId
  if job and MATTERS[fields.event] and redis.call('HGET', queue .. job, 'pb') ~= OURS then
    apply(fields.event, job, fields, tonumber(string.match(event[1], '^%d+')))
  end
  seen = event[1]
end
if #events > 0 then redis.call('SET', seen_key, seen) end
return answer({read = #events})
