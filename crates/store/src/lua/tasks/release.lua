-- Makes a running task ready again, untried, for its worker gave it back.
-- args: request, id, lease, why, held ('' if the worker just gives it back; 'timed' or 'untimed' if it can do no task now,
--       until a time that it knows or not)
-- answer: task. Refusals: NOT_FOUND; STALE: state, worker; REQUEST_ID_REUSED.
-- A task that is held so often may be what troubles its workers: from then on that costs attempts.
local MAX_HOLDS = {untimed = 10, timed = 100}
-- The fields that count how often it was held.
local COUNTS = {untimed = 'holds', timed = 'timed_holds'}

-- Whether the task keeps its attempt for later.
local function is_free(task)
  local most = MAX_HOLDS[args.held]
  return not most or redis.call('HINCRBY', task_key(task.id), COUNTS[args.held], 1) <= most
end

-- Tells why the task waits, and the submitter of its job, once for each job.
local function tell(task)
  redis.call('HSET', text_key(task.id), 'reason', 'WORKER_UNFIT', 'message', args.why)
  if redis.call('HSETNX', task_key(task.root), 'held', 1) == 1 then notify('held', task) end
end

return change_once(function()
  local task = load(args.id)
  local refused = stale(task, args.lease)
  if refused then return refused end

  if is_free(task) then
    redis.call('HINCRBY', task_key(task.id), 'attempts', -1)
  elseif tonumber(task.attempts) >= tonumber(task.most) then
    over(task, FAILED, 'WORKER_UNFIT', args.why)
    return answer({})
  end
  give_back(task, args.why)
  if args.held == '' then
    count('put back: released')
  else
    tell(task)
    count('put back: held')
  end
  return answer({})
end)
