-- Cancels a task: a job with its subtasks, a subtask with the tasks that wait for it; and the jobs on its behalf.
-- args: request, id, reason, message
-- answer: count (of the tasks cancelled; of very many, the sweep cancels the rest), task. Refusals: NOT_FOUND; REQUEST_ID_REUSED.
local MAX_KIN = 2000
return change_once(function()
  local task, reason, message = load(args.id), args.reason, args.message
  if not task then return {'NOT_FOUND'} end
  if is_over(task) then
    -- Jobs on its behalf may go on. Called off by itself, it stays so whatever is above it.
    redis.call('HDEL', task_key(task.id), 'kin')
    disown(task.id)
    return answer({count = call_off_kin(MAX_KIN)})
  end

  redis.call('ZREM', key('schedules'), task.id)
  if is_root(task) then
    local parts = call_off(task.id, reason, message)
    close(task, reason == 'DEADLINE_EXCEEDED' and FAILED or CANCELLED, reason, message)
    return answer({count = parts + 1 + call_off_kin(MAX_KIN)})
  end
  local function cancelled() return tonumber(redis.call('HGET', task_key(task.root), 'in8') or 0) end
  local before = cancelled()
  over(task, CANCELLED, reason, message)
  return answer({count = cancelled() - before + call_off_kin(MAX_KIN)})
end)
