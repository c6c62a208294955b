-- Retries what failed or was cancelled: a job, or a subtask with the subtasks that ended because of it.
-- args: request, id, max_named
-- answer: count (of the tasks retried), task. Refusals: NOT_FOUND; NOT_OVER: state, lost (ids of the subtasks that could be
--         retried), lost_count; GONE: another program made its job and removed it; REQUEST_ID_REUSED.
local function refuse(task)
  local lost, lost_count = {}, 0
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. task.id), 0, -1)) do
    if is_lost(load(id)) then
      lost_count = lost_count + 1
      if lost_count <= args.max_named then lost[#lost + 1] = id end
    end
  end
  return {'NOT_OVER', {state = task.state, lost = lost, lost_count = lost_count}}
end

return change_once(function()
  local task = load(args.id)
  if not task then return {'NOT_FOUND'} end
  if not is_lost(task) then return refuse(task) end
  if is_job_gone(task.id) then return {'GONE'} end
  return answer({count = retry_lost(task)})
end)
