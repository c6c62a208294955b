-- Retries what failed or was cancelled: a job, or a subtask with the subtasks that ended because of it; and the jobs on its
-- behalf that were called off with it.
-- args: request, id, max_named, max_queues, next_run_ms (of a schedule, which goes on with that run; nil for another job)
-- answer: count (of the tasks retried; of very many, the sweep takes up the rest), task. Refusals: NOT_FOUND; NOT_OVER:
--         state, lost (ids of the subtasks that could be retried), lost_count; GONE: another program made its job, which is
--         no more; REQUEST_ID_REUSED; TOO_MANY_QUEUES as for a new job.
local MAX_KIN = 2000

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

-- Owns a task again that had ended itself before what it submitted was called off. Returns how many tasks that takes up.
local function own_again(task)
  if not is_over(task) or redis.call('HGET', task_key(task.id), 'disowned') ~= '1' then return 0 end
  reown(task.id)
  return take_back_kin(MAX_KIN)
end

-- The refusal if the queues of what may be taken up again have no place; nil if they have.
local function refuse_its_queues(task)
  local ids, seen, names = redis.call('LRANGE', key('parts:' .. task.root), 0, -1), {}, {}
  if #ids == 0 then ids = {task.id} end
  for _, id in ipairs(ids) do
    local queue = redis.call('HGET', task_key(id), 'queue')
    if queue and not seen[queue] and is_lost(load(id)) then
      seen[queue] = true
      names[#names + 1] = queue
    end
  end
  return refuse_queues(names, nil, {all = args.max_queues})
end

return change_once(function()
  local task = load(args.id)
  if not task then return {'NOT_FOUND'} end
  if not is_lost(task) then
    local count = own_again(task)
    return count > 0 and answer({count = count}) or refuse(task)
  end
  if is_job_gone(task.id) then return {'GONE'} end
  local refused = refuse_its_queues(task)
  if refused then return refused end
  local count = args.next_run_ms and resume_schedule(task, args.next_run_ms) or retry_lost(task)
  return answer({count = count + take_back_kin(MAX_KIN)})
end)
