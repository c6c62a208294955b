-- Makes a running task ready again, untried, for its worker gave it back.
-- args: request, id, lease, why, held ('' if the worker just gives it back; else why it can do no task now: 'timed' until a
--       time that it knows, 'untimed' for an unknown one, 'passing' while the network or the provider is away)
-- answer: task. Refusals: NOT_FOUND; STALE: state, worker; REQUEST_ID_REUSED.
-- A task that is held so often may be what troubles its workers: from then on that costs attempts. What passes by itself
-- never does.
local MAX_HOLDS = {untimed = 10, timed = 100}
-- The fields that count how often it was held.
local COUNTS = {untimed = 'holds', timed = 'timed_holds', passing = 'passing_holds'}
-- What passes by itself is waited for with doubling pauses, so that tasks which do not meet it go first.
local FIRST_PAUSE_MS, LONGEST_HOLD_MS = 1000, 300 * 1000
-- A moment is not worth a message.
local TOLD_FROM = 4

-- Tells why the task waits, and the submitter of its job, once for each job.
local function tell(task, times)
  redis.call('HSET', text_key(task.id), 'reason', 'WORKER_UNFIT', 'message', args.why)
  if args.held == 'passing' and times < TOLD_FROM then return end
  if redis.call('HSETNX', task_key(task.root), 'held', 1) == 1 then notify('held', task) end
end

-- Puts the task aside for a while.
local function put_aside(task, times)
  local pause = math.min(FIRST_PAUSE_MS * 2 ^ math.min(times - 1, 20), LONGEST_HOLD_MS)
  local worker = task.worker
  task.from = string.format('%.0f', now + pause)
  enter(task, DELAYED, 'from', task.from, 'lease', '', 'stuck', '')
  log(task.root, 'requeued', task.id, {worker = worker, detail = args.why})
  add_to_outbox(task.id)
end

return change_once(function()
  local task = load(args.id)
  local refused = stale(task, args.lease)
  if refused then return refused end

  local times = 0
  if COUNTS[args.held] then times = redis.call('HINCRBY', task_key(task.id), COUNTS[args.held], 1) end
  if times <= (MAX_HOLDS[args.held] or times) then
    redis.call('HINCRBY', task_key(task.id), 'attempts', -1)
  elseif tonumber(task.attempts) >= tonumber(task.most) then
    over(task, FAILED, 'WORKER_UNFIT', args.why)
    return answer({})
  end
  if args.held == 'passing' then put_aside(task, times) else give_back(task, args.why) end
  if args.held == '' then
    count('put back: released')
  else
    tell(task, times)
    count('put back: held')
  end
  return answer({})
end)
