-- Makes a running task ready again, untried, for its worker gave it back.
-- args: request, id, lease, why
-- answer: task. Refusals: NOT_FOUND; STALE: state, worker; REQUEST_ID_REUSED.
return change_once(function()
  local task = load(args.id)
  local refused = stale(task, args.lease)
  if refused then return refused end

  redis.call('HINCRBY', task_key(task.id), 'attempts', -1)
  give_back(task, args.why)
  count('put back: released')
  return answer({})
end)
