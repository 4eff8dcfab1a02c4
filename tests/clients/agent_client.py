"""An agent from a package, unchanged: Hugging Face's `smolagents` runs its loop of tools against a running server. PARASOL_URL is its
base address, PARASOL_MODEL the model. The agent asks for a call with `tool_choice: required` in every step, which the server forces by
grammar, so that the loop comes to its end with a small model too."""

import pytest
from smolagents import OpenAIModel, Tool, ToolCallingAgent

from running_server import KEY, MODEL, URL, assert_idle


class Weather(Tool):
    name = "weather"
    description = "Tells the weather of a city."
    inputs = {"city": {"type": "string", "description": "The name of the city", "enum": ["Oslo", "Rome"]}}
    output_type = "string"

    def __init__(self):
        super().__init__()
        self.asked = []

    def forward(self, city: str) -> str:
        self.asked.append(city)
        return f"It rains in {city}."


@pytest.mark.parametrize("streamed", [False, True])
def test_a_loop_of_tools_comes_to_its_end(streamed):
    weather = Weather()
    model = OpenAIModel(model_id=MODEL, api_base=f"{URL}/v1", api_key=KEY, max_tokens=120, temperature=0)
    agent = ToolCallingAgent(tools=[weather], model=model, max_steps=3, stream_outputs=streamed, verbosity_level=0)
    answer = agent.run("Use the tool weather to find out the weather in Oslo, then give the final answer.")
    assert isinstance(answer, str) and answer
    steps = [step for step in agent.memory.steps if getattr(step, "tool_calls", None)]
    called = [call.name for step in steps for call in step.tool_calls]
    assert called and set(called) <= {"weather", "final_answer"}, called
    # What the tool said was sent back, and every step was counted.
    assert weather.asked and set(weather.asked) <= {"Oslo", "Rome"}, called
    assert any("It rains in" in (step.observations or "") for step in steps)
    assert all(step.error is None for step in steps), [step.error for step in steps]
    assert all(step.token_usage.output_tokens > 0 for step in steps)
    assert_idle()
