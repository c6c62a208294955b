-- Follows the events of a queue of BullMQ from where they were left, and takes over what workers of other programs did.
-- What SHIM's own workers did is in the records before BullMQ learns of it.
-- ARGV: ..., the queue's name, how many events at most
-- OK: now_us, owed, how many events were read.
local OURS, FOREIGN = 'shim', 'bullmq'
local queue = SLOT .. ARGV[3] .. ':'
local seen_key = key('seen:' .. ARGV[3])

local function hear(what, job, fields)
  local id = redis.call('GET', key('job:' .. ARGV[3] .. ':' .. job)) or job
  local task = load(id)
  if not task then return end
  local waits = task.state == READY or task.state == DELAYED
  local is_theirs = task.state == RUNNING and task.worker == FOREIGN
  if what == 'active' and waits and redis.call('HGET', queue .. job, 'pb') ~= OURS then
    enter(task, RUNNING, 'worker', FOREIGN, 'lease', '', 'epoch', 0, 'started', now, 'reported', now)
    redis.call('HINCRBY', task_key(id), 'attempts', 1)
    log(task.root, 'started', id, 'w', FOREIGN)
  elseif (what == 'waiting' or what == 'delayed') and is_theirs then
    enter(task, READY, 'ready', now)
    log(task.root, 'requeued', id, 'w', FOREIGN)
  elseif (what == 'completed' or what == 'failed') and (waits or is_theirs) then
    task.worker = FOREIGN
    redis.call('HSET', task_key(id), 'worker', FOREIGN)
    if what == 'completed' then
      redis.call('HSET', text_key(id), 'json', fields.returnvalue or 'null')
      over(task, COMPLETED)
    else
      over(task, FAILED, 'EXECUTOR_FAILED', fields.failedReason or '')
    end
  end
end

local seen = redis.call('GET', seen_key)
local events = redis.call('XRANGE', queue .. 'events', seen and '(' .. seen or '-', '+', 'COUNT', ARGV[4])
for _, event in ipairs(events) do
  local fields = {}
  for i = 1, #event[2], 2 do fields[event[2][i]] = event[2][i + 1] end
  if fields.event and fields.jobId then hear(fields.event, fields.jobId, fields) end
  seen = event[1]
end
if #events > 0 then redis.call('SET', seen_key, seen) end
return answer(#events)
