-- Ends a task with its result. No other script commits a worker's result.
-- args: request, id, lease, result (packed), remark (for the log, or ''), usage
-- answer: task. Refusals: NOT_FOUND; STALE: state, worker; REQUEST_ID_REUSED.
return change_once(function()
  local task = load(args.id)
  local refused = stale(task, args.lease)
  if refused then return refused end

  if args.result ~= '' then redis.call('HSET', text_key(task.id), 'result', args.result) end
  redis.call('HDEL', text_key(task.id), 'reason', 'message')
  spend(task, args.usage)
  finish(task, args.remark)
  return answer({})
end)
