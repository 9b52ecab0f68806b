"""Start the avatar: `ros2 launch asynfusion_ros avatar.launch.py audio:=mic viewer:=true`."""

from difflib import get_close_matches

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, Shutdown, TimerAction
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from asynfusion_ros.errors import ConfigError
from asynfusion_ros.graph import GraphArguments, describe_graph
from asynfusion_ros.settings import settings_from_text
from launch import LaunchDescription


def generate_launch_description():
    defaults = GraphArguments().to_dict()
    declared = []
    for name, info in GraphArguments.describe():
        unit = f" [{info.unit}]" if info.unit else ""
        default = defaults[name]
        declared.append(
            DeclareLaunchArgument(
                name,
                default_value=str(default).lower() if isinstance(default, bool) else str(default),
                description=info.doc + unit,
                choices=list(info.choices) if info.choices else None,
            )
        )
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])


def start_nodes(context):
    words = {
        name: LaunchConfiguration(name).perform(context) for name, _ in GraphArguments.describe()
    }
    warn_of_unknown(word.partition(":=")[0] for word in context.argv if ":=" in word)
    arguments = settings_from_text(GraphArguments, words)
    specs = describe_graph(arguments)
    check_packages(specs)
    actions = [to_action(spec) for spec in specs]
    if arguments.seconds and not arguments.report:
        reason = f"the {arguments.seconds:g} s asked for are over"
        ends = [LogInfo(msg=reason), Shutdown(reason=reason)]
        actions.append(TimerAction(period=arguments.seconds, actions=ends))
    return actions


def warn_of_unknown(names):
    """Say which arguments do nothing here; launch itself takes any, and a file may include this."""
    known = [name for name, _ in GraphArguments.describe()]
    for name in sorted(set(names).difference(known)):
        near = get_close_matches(name, known, 1)
        meant = f"did you mean {near[0]}?" if near else "see --show-args"
        get_logger("avatar.launch").warning(f"{name}:= is no argument of this file; {meant}")


def check_packages(specs):
    """Refuse to begin where a program is missing: launch would leave the others running."""
    for package in sorted({spec.package for spec in specs}):
        try:
            get_package_prefix(package)
        except PackageNotFoundError as error:
            name = package.replace("_", "-")
            raise ConfigError(
                f"{package} is not installed; run `apt install ros-$ROS_DISTRO-{name}`, or start "
                "the graph without it"
            ) from error


def to_action(spec):
    # Without its type, launch reads a text such as "yes: no" as YAML.
    parameters = {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in spec.parameters.items()
    }
    return Node(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace or None,
        parameters=[parameters, *spec.params_files],
        arguments=list(spec.arguments),
        output="screen",
        emulate_tty=True,
        on_exit=[Shutdown(reason=f"{spec.name} ended")] if spec.ends_graph else None,
    )
