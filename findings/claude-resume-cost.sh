#!/bin/sh
# Claude Code 2.1.332: `total_cost_usd` of `claude -p --resume` holds what the whole conversation cost, `usage` beside it one run.
#
# Expected: both are of the same stretch, so that the costs of the runs of a conversation can be added up.
# Seen: each result's cost begins with that of the run before it, its tokens do not. Whoever adds the costs of the runs counts the
# first one as often as there are runs.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --silent --no-audit --no-fund @anthropic-ai/claude-code-linux-x64@2.1.332
mkdir home project
cat > run.py << 'SCRIPT'
# Plays the steps of a JSON list as the Messages API on loopback, and runs the client against it in its project folder.
import http.server, json, os, subprocess, sys, threading
steps, asked = json.loads(sys.argv[1]), []

class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self): self.say('{}')
    do_HEAD = do_GET
    def say(self, body, kind='application/json', status=200, more={}):
        self.send_response(status)
        for name, value in {'content-type': kind, 'content-length': str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['content-length'])))
        step = {'text': 'ok'}
        if request.get('tools'):
            asked.append(request)
            step = steps[min(len(asked), len(steps)) - 1]
        if 'status' in step:
            error = {'type': 'error', 'error': {'type': step['type'], 'message': 'scripted'}}
            return self.say(json.dumps(error), status=step['status'], more=step.get('headers', {}))
        usage = {'input_tokens': step.get('in', 1000), 'output_tokens': 10}
        block, full = {'type': 'text', 'text': ''}, {'type': 'text_delta', 'text': step.get('text', '')}
        if 'tool' in step:
            block = {'type': 'tool_use', 'id': 'toolu_%d' % len(asked), 'name': step['tool'], 'input': {}}
            full = {'type': 'input_json_delta', 'partial_json': json.dumps(step['input'])}
        message = {'id': 'msg_%d' % len(asked), 'type': 'message', 'role': 'assistant', 'model': request['model'],
                   'content': [], 'stop_reason': None, 'stop_sequence': None, 'usage': usage}
        stop = 'tool_use' if 'tool' in step else 'end_turn'
        if not request.get('stream'):
            return self.say(json.dumps({**message, 'content': [{**block, 'text': full.get('text')}], 'stop_reason': stop}))
        events = [{'type': 'message_start', 'message': message},
                  {'type': 'content_block_start', 'index': 0, 'content_block': block},
                  {'type': 'content_block_delta', 'index': 0, 'delta': full},
                  {'type': 'content_block_stop', 'index': 0},
                  {'type': 'message_delta', 'delta': {'stop_reason': stop, 'stop_sequence': None}, 'usage': usage},
                  {'type': 'message_stop'}]
        self.say(''.join(f"event: {it['type']}\ndata: {json.dumps(it)}\n\n" for it in events), 'text/event-stream')

api = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api)
threading.Thread(target=api.serve_forever, daemon=True).start()
here = os.getcwd()
env = {'PATH': os.environ['PATH'], 'HOME': here + '/home', 'IS_SANDBOX': '1', 'DISABLE_AUTOUPDATER': '1', 'FOLDER': here,
       'CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC': '1', 'ANTHROPIC_API_KEY': 'dummy',
       'ANTHROPIC_BASE_URL': 'http://127.0.0.1:%d' % api.server_port}
client = here + '/node_modules/@anthropic-ai/claude-code-linux-x64/claude'
said = subprocess.run([client, *sys.argv[2:]], cwd=here + '/project', env=env, stdin=subprocess.DEVNULL, timeout=120)
print('requests:', len(asked), file=sys.stderr)
sys.exit(said.returncode)
SCRIPT
# In a network of its own, where nothing but the scripted API can be reached: claude STEPS ARGUMENT...
claude() { unshare --map-root-user --net sh -c 'ip link set lo up; exec python3 run.py "$@"' sh "$@"; }

claude '[{"text": "one"}]' -p first --output-format json > first.json
id=$(python3 -c 'import json; print(json.load(open("first.json"))["session_id"])')
claude '[{"text": "two"}]' -p second --resume "$id" --output-format json > second.json
python3 - << 'SCRIPT'
import json
first, second = (json.load(open(name)) for name in ('first.json', 'second.json'))
for run in first, second:
    print('cost', run['total_cost_usd'], 'input tokens', run['usage']['input_tokens'])
assert first['total_cost_usd'] > 0 and first['usage']['input_tokens'] == second['usage']['input_tokens'], 'changed: usage is not of one run'
assert second['total_cost_usd'] > 1.5 * first['total_cost_usd'], 'changed: the cost is of one run'
SCRIPT
echo "as described: the second run's cost holds the first one's, its tokens do not"
