-- Decides at the gate where a task waits.
-- args: request, id, reject, why
-- answer: task. Refusals: NOT_FOUND; NOT_WAITING: state; REQUEST_ID_REUSED.
local function turn_down(task)
  local why = args.why ~= '' and args.why or 'it was turned down'
  log(task.root, 'rejected', task.id, {detail = args.why})
  if task.parts == '1' then call_off(task.id, 'REJECTED', why) end
  over(task, task.gate == 'start' and CANCELLED or FAILED, 'REJECTED', why)
end

local function let_start(task)
  task.gates = string.gsub(task.gates, 's', '')
  redis.call('HSET', task_key(task.id), 'gates', task.gates, 'gate', '')
  if task.parts ~= '1' then return release(task) end
  enter(task, RUNNING)
  start_parts(task.id)
  -- All of them may have been cancelled meanwhile.
  settle(task.id)
end

return change_once(function()
  local task = load(args.id)
  if not task then return {'NOT_FOUND'} end
  if task.state ~= AWAITING then return {'NOT_WAITING', {state = task.state}} end

  if args.reject then
    turn_down(task)
  else
    log(task.root, 'approved', task.id, {detail = args.why})
    if task.gate == 'start' then let_start(task) else over(task, COMPLETED) end
  end
  return answer({})
end)
